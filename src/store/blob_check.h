// SPDX-License-Identifier: Apache-2.0
//
// One stored blob, read and hashed again a piece at a time on the helpers, so that a
// large one neither holds a thread nor wakes a slow disk for long. Loop thread.

#ifndef LAYBY_STORE_BLOB_CHECK_H_
#define LAYBY_STORE_BLOB_CHECK_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "layby/event/workers.h"
#include "store/core.h"

namespace layby::store {

enum class BlobState {
  kGood,     // The digest holds.
  kDamaged,  // It doesn't, or the file can't be read.
  kGone,     // There is no such file, or another since, or it can't be looked at now.
};

struct CheckedBlob {
  BlobState state = BlobState::kGone;
  std::uint64_t size_bytes = 0;
  std::uint64_t inode = 0;
};

class BlobCheck {
 public:
  // May be asked before each piece how long to wait; `read_bytes` were read since.
  using Pace = std::function<std::chrono::milliseconds(std::uint64_t read_bytes)>;
  using Done = std::function<void(const CheckedBlob&)>;

  // `done` is called once, later; it may destroy the check. Destroying it earlier drops
  // the callback.
  BlobCheck(std::shared_ptr<Core> core, event::Workers& workers, const oci::Digest& digest,
            Pace pace, Done done);
  ~BlobCheck();

  BlobCheck(const BlobCheck&) = delete;
  BlobCheck& operator=(const BlobCheck&) = delete;

 private:
  class Job;
  void read_piece();
  void on_piece(std::uint64_t read_bytes, bool over);

  const std::shared_ptr<Core> core_;
  event::Workers& workers_;
  const Pace pace_;
  const Done done_;
  const std::shared_ptr<Job> job_;
  cache::Handle wait_;
  std::shared_ptr<BlobCheck*> self_ = std::make_shared<BlobCheck*>(this);
};

}  // namespace layby::store

#endif  // LAYBY_STORE_BLOB_CHECK_H_
