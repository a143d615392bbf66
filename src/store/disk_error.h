// SPDX-License-Identifier: Apache-2.0
//
// Turns failures of file system calls into Errors that say what failed, on which path, and
// what to do.

#ifndef LAYBY_STORE_DISK_ERROR_H_
#define LAYBY_STORE_DISK_ERROR_H_

#include <string>

#include "layby/base/result.h"

namespace layby::store {

// The code is kNoSpace for a full disk or quota, else kIo. A missing file gives kIo, not kNotFound:
// callers ask only for files that should exist.
Error disk_error(const std::string& what, const std::string& path, int errno_value);

}  // namespace layby::store

#endif  // LAYBY_STORE_DISK_ERROR_H_
