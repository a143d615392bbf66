// SPDX-License-Identifier: Apache-2.0
//
// The names of error codes, and the only conversion of errno to an ErrorCode. Only an errno that
// changes the daemon's next step has an ErrorCode of its own: after ENOSPC the blob isn't stored,
// and ENOENT means that a file doesn't exist. Every other errno is kIo.

#include "layby/base/result.h"

#include <cerrno>
#include <system_error>

namespace layby {
namespace {

ErrorCode code_of(int errno_value) {
  switch (errno_value) {
    case ENOSPC:
    case EDQUOT:
      return ErrorCode::kNoSpace;
    case ENOENT:
      return ErrorCode::kNotFound;
    default:
      return ErrorCode::kIo;
  }
}

}  // namespace

const char* to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalid:
      return "invalid";
    case ErrorCode::kNotFound:
      return "not_found";
    case ErrorCode::kDenied:
      return "denied";
    case ErrorCode::kThrottled:
      return "throttled";
    case ErrorCode::kUnavailable:
      return "unavailable";
    case ErrorCode::kTimedOut:
      return "timed_out";
    case ErrorCode::kCorrupt:
      return "corrupt";
    case ErrorCode::kNoSpace:
      return "no_space";
    case ErrorCode::kIo:
      return "io";
    case ErrorCode::kCancelled:
      return "cancelled";
  }
  return "unknown";
}

// strerror() has a buffer that all threads share; generic_category() has no buffer.
Error errno_error(const std::string& what, int errno_value) {
  return {code_of(errno_value), what + ": " + std::generic_category().message(errno_value)};
}

}  // namespace layby
