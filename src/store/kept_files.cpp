// SPDX-License-Identifier: Apache-2.0

#include "store/kept_files.h"

#include <utility>

namespace layby::store {

void KeptFiles::keep(std::shared_ptr<const cache::BlobFile> file) {
  files_[next_] = std::move(file);
  next_ = (next_ + 1) % kMostFiles;
  if (!timer_) timer_ = loop_.after(kStay, [this] { close(); });
}

void KeptFiles::close() {
  timer_.reset();
  files_ = {};
}

}  // namespace layby::store
