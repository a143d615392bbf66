// SPDX-License-Identifier: Apache-2.0
//
// Handles things that are in the place of layby's files and are no regular files. A FIFO would
// block its opener, a symbolic link may lead out of the folder, and a folder can't be written.
// layby opens regular files only, and moves any other thing to quarantine/, so that the place is
// free for a file. If a thing can't be moved, the thing stays and the Error says what to do. May
// block.

#ifndef LAYBY_STORE_ASIDE_H_
#define LAYBY_STORE_ASIDE_H_

#include <string>

#include "layby/base/fd.h"
#include "layby/base/result.h"

namespace layby::store {

// Opens a regular file without waiting and without following a symbolic link. Returns an empty
// UniqueFd when nothing is at `path`, and kCorrupt when the thing at `path` is no regular file.
Result<UniqueFd> open_regular(const std::string& path, int flags);

// Whether something other than a regular file is at `path`.
bool is_wrong_thing(const std::string& path);

// Moves the file or thing at `path` to quarantine/`name` in `data_dir`, in the place of an earlier
// thing with the same name. Deletes the oldest things in quarantine/ if there are more than 16.
// Returns Ok if nothing is at `path`.
Status move_to_quarantine(const std::string& data_dir, const std::string& path,
                          const std::string& name);

// Moves the thing at `path` to the quarantine if it is no regular file.
Status clear_place(const std::string& data_dir, const std::string& path);

// Deletes everything in quarantine/.
void empty_quarantine(const std::string& data_dir);

}  // namespace layby::store

#endif  // LAYBY_STORE_ASIDE_H_
