// SPDX-License-Identifier: Apache-2.0
//
// Advice for each errno that file system calls return.

#include "store/disk_error.h"

#include <cerrno>

namespace layby::store {
namespace {

const char* advice_for(int errno_value) {
  switch (errno_value) {
    case ENOSPC:
    case EDQUOT:
      return "free some space there";
    case EROFS:
      return "the file system is read-only: check the disk, then mount it writable";
    case EACCES:
    case EPERM:
      return "make it readable and writable for the user that runs layby";
    case EIO:
      return "the disk failed; see the kernel's log";
    case EMFILE:
    case ENFILE:
      return "raise the limit of open files";
    case EFBIG:
      return "raise the file size limit";
    case ENOENT:
      return "another program removed it; don't change files under layby's data_dir";
    case ENOTDIR:
    case EISDIR:
    case EEXIST:
    case ELOOP:
      return "another file or folder is in its place; move that one away";
    default:
      return "see the kernel's log";
  }
}

}  // namespace

Error disk_error(const std::string& what, const std::string& path, int errno_value) {
  Error error = errno_error(what + " " + path, errno_value);
  if (error.code == ErrorCode::kNotFound) error.code = ErrorCode::kIo;
  error.message += std::string("; ") + advice_for(errno_value);
  return error;
}

}  // namespace layby::store
