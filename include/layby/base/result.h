// SPDX-License-Identifier: Apache-2.0
//
// Result<T> holds a value or an Error; Status is a Result without a value. Result resembles
// std::expected (C++23). A value that may be absent is a std::optional; absence is never an Error.
// An Error's message says what failed, on what, and what to do about it.

#ifndef LAYBY_BASE_RESULT_H_
#define LAYBY_BASE_RESULT_H_

#include <cassert>
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace layby {

// The kind of failure, for the code that decides what happens next.
enum class ErrorCode {
  kInvalid,      // The input is malformed; a retry fails in the same way.
  kNotFound,     // The other side has no such object.
  kDenied,       // Policy or the other side refuses the request (401, 403).
  kThrottled,    // The other side asks for a pause (429); see retry_after.
  kUnavailable,  // The other side can't be reached or fails (5xx, refused, reset).
  kTimedOut,     // A deadline passed.
  kCorrupt,      // Bytes do not match their digest or their format.
  kNoSpace,      // ENOSPC, EDQUOT.
  kIo,           // Any other failure of the operating system or a library.
  kCancelled,    // The caller gave up the result.
};

// The part of an upstream that a failure concerns.
enum class Extent {
  kUpstream,    // Everything that the upstream serves.
  kRepository,  // One repository: its token server failed.
  kContent,     // One blob or manifest: the target of a redirect failed.
};

struct Error {
  ErrorCode code = ErrorCode::kIo;
  std::string message;
  // The wait that the other side asked for, if any.
  std::optional<std::chrono::seconds> retry_after{};
  // Set when this box decided not to ask upstream, or when a parent can't ask its registry. Another
  // attempt soon would end in the same way.
  bool declined = false;
  Extent extent = Extent::kUpstream;
};

// The code's name for logs and stats: "not_found", "corrupt" and so on.
const char* to_string(ErrorCode code);

// An Error for `errno_value`: "open /x: No space left on device", where `what` is "open /x".
Error errno_error(const std::string& what, int errno_value);

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & {
    assert(ok());
    return *std::get_if<0>(&state_);
  }
  const T& value() const& {
    assert(ok());
    return *std::get_if<0>(&state_);
  }
  T&& value() && {
    assert(ok());
    return std::move(*std::get_if<0>(&state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const& {
    assert(!ok());
    return *std::get_if<1>(&state_);
  }
  Error&& error() && {
    assert(!ok());
    return std::move(*std::get_if<1>(&state_));
  }

 private:
  std::variant<T, Error> state_;
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::move(error)) {}

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const {
    assert(!ok());
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

}  // namespace layby

#endif  // LAYBY_BASE_RESULT_H_
