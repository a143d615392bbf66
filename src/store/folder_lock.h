// SPDX-License-Identifier: Apache-2.0
//
// The right to use a data_dir: a flock on its file `lock`, which also names the process
// that has it. The kernel gives it back when the process ends, however it ends.

#ifndef LAYBY_STORE_FOLDER_LOCK_H_
#define LAYBY_STORE_FOLDER_LOCK_H_

#include <string>

#include "layby/base/fd.h"
#include "layby/base/result.h"

namespace layby::store {

// Held as long as the descriptor is open. kUnavailable when somebody else has it.
Result<UniqueFd> lock_folder(const std::string& data_dir);

}  // namespace layby::store

#endif  // LAYBY_STORE_FOLDER_LOCK_H_
