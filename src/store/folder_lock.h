// SPDX-License-Identifier: Apache-2.0
//
// The lock on a data_dir: a flock on its file `lock`, which also names the process that holds
// the lock. The kernel releases the lock when the process ends, even by a crash.

#ifndef LAYBY_STORE_FOLDER_LOCK_H_
#define LAYBY_STORE_FOLDER_LOCK_H_

#include <string>

#include "layby/base/fd.h"
#include "layby/base/result.h"

namespace layby::store {

// The lock lasts while the descriptor is open. Returns kUnavailable when another process has the
// lock.
Result<UniqueFd> lock_folder(const std::string& data_dir);

}  // namespace layby::store

#endif  // LAYBY_STORE_FOLDER_LOCK_H_
