// SPDX-License-Identifier: Apache-2.0
//
// Failures of file system calls as Errors that say what failed, on what path, and what
// to do about it.

#ifndef LAYBY_STORE_DISK_ERROR_H_
#define LAYBY_STORE_DISK_ERROR_H_

#include <string>

#include "layby/base/result.h"

namespace layby::store {

// kNoSpace for a full disk or quota, else kIo: a file of ours that is missing is a
// failure, not an answer.
Error disk_error(const std::string& what, const std::string& path, int errno_value);

}  // namespace layby::store

#endif  // LAYBY_STORE_DISK_ERROR_H_
