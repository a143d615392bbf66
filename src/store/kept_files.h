// SPDX-License-Identifier: Apache-2.0
//
// Keeps the files of the blobs that were opened last open for a short time, so that a small blob
// that many clients want isn't opened for each of them. An open file holds its disk space even
// after its deletion, so the store closes the kept files before it deletes blobs. Lives on the loop
// thread.

#ifndef LAYBY_STORE_KEPT_FILES_H_
#define LAYBY_STORE_KEPT_FILES_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>

#include "layby/base/async.h"
#include "layby/cache/store.h"
#include "layby/event/loop.h"

namespace layby::store {

class KeptFiles {
 public:
  static constexpr std::size_t kMostFiles = 16;
  static constexpr std::chrono::milliseconds kStay{1'000};

  explicit KeptFiles(event::Loop& loop) : loop_(loop) {}

  // Keeps `file` open for kStay at most, in place of the file that was kept first if kMostFiles are
  // kept.
  void keep(std::shared_ptr<const cache::BlobFile> file);
  // Closes the files that nobody else uses, and keeps none.
  void close();

  KeptFiles(const KeptFiles&) = delete;
  KeptFiles& operator=(const KeptFiles&) = delete;

 private:
  event::Loop& loop_;
  std::array<std::shared_ptr<const cache::BlobFile>, kMostFiles> files_;
  std::size_t next_ = 0;  // The place in files_ of the next file.
  Handle timer_;          // Set while files are kept.
};

}  // namespace layby::store

#endif  // LAYBY_STORE_KEPT_FILES_H_
