// SPDX-License-Identifier: Apache-2.0
//
// A BlobCheck reads and hashes one stored blob again. Helper threads read the blob in pieces, so
// that a large blob doesn't occupy a thread or a slow disk for long. A check reads at most one
// piece at any time. A BlobCheck lives on the loop thread.

#ifndef LAYBY_STORE_BLOB_CHECK_H_
#define LAYBY_STORE_BLOB_CHECK_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "layby/base/lifetime.h"
#include "layby/event/workers.h"
#include "store/core.h"

namespace layby::store {

enum class BlobState {
  kGood,     // The bytes match the digest.
  kDamaged,  // The bytes don't match the digest, or the disk can't read them.
  kGone,     // The file is missing, was replaced during the check, or can't be opened or read.
};

struct CheckedBlob {
  BlobState state = BlobState::kGone;
  std::uint64_t size_bytes = 0;
  std::uint64_t inode = 0;
};

class BlobCheck {
 public:
  // Called after a piece of `read_bytes` was read. Returns the wait before the check continues.
  using Pace = std::function<std::chrono::milliseconds(std::uint64_t read_bytes)>;
  using Done = std::function<void(const CheckedBlob&)>;

  // Calls `done` once, after the constructor has returned; `done` may destroy the check. Destroying
  // the check before the call drops `done`.
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
  Handle wait_;
  Lifetime life_;
};

}  // namespace layby::store

#endif  // LAYBY_STORE_BLOB_CHECK_H_
