// SPDX-License-Identifier: Apache-2.0
//
// A name in a folder is durable after a sync of the folder.

#ifndef LAYBY_STORE_FOLDER_SYNC_H_
#define LAYBY_STORE_FOLDER_SYNC_H_

#include <string>

#include "layby/base/result.h"

namespace layby::store {

// Makes the names in the folder `path` durable. Blocks.
Status sync_folder(const std::string& path);
// The same, with `sync` instead of fsync().
Status sync_folder(const std::string& path, int (*sync)(int fd));

}  // namespace layby::store

#endif  // LAYBY_STORE_FOLDER_SYNC_H_
