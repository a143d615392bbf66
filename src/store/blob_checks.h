// SPDX-License-Identifier: Apache-2.0
//
// Checks single blobs on demand, one after the other and at full speed. A damaged blob is set
// aside. When the queue is full, a further blob isn't added, and the scrub checks the blob later. A
// good blob isn't checked again within kStaysChecked, so that clients can't keep the disk busy.
// Lives on the loop thread. Invariants: at most one check is under way, and each waiting digest
// stands in the queue once.

#ifndef LAYBY_STORE_BLOB_CHECKS_H_
#define LAYBY_STORE_BLOB_CHECKS_H_

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <unordered_map>
#include <utility>

#include "layby/base/clock.h"
#include "layby/base/lifetime.h"
#include "layby/event/workers.h"
#include "layby/oci/digest.h"
#include "store/blob_check.h"
#include "store/core.h"

namespace layby::store {

class BlobChecks {
 public:
  static constexpr std::size_t kMostWaiting = 64;
  static constexpr std::chrono::minutes kStaysChecked{10};

  struct Context {
    std::shared_ptr<Core> core;
    event::Workers& workers;
    const Clock& clock;
    // Takes a damaged blob out of service, then calls `then`.
    std::function<void(const oci::Digest&, std::uint64_t inode, std::function<void()> then)>
        set_aside;
  };

  explicit BlobChecks(Context context) : context_(std::move(context)) {}

  void add(const oci::Digest& digest);

  BlobChecks(const BlobChecks&) = delete;
  BlobChecks& operator=(const BlobChecks&) = delete;

 private:
  bool is_checked(const oci::Digest& digest) const;
  void next();
  void on_checked(const CheckedBlob& checked);

  const Context context_;
  std::deque<oci::Digest> waiting_;  // The first digest is being checked.
  std::unordered_map<oci::Digest, SteadyTime> checked_;
  std::unique_ptr<BlobCheck> check_;
  std::unique_ptr<BlobCheck> over_;  // The last check, which must outlive its own callback.
  Lifetime life_;
};

}  // namespace layby::store

#endif  // LAYBY_STORE_BLOB_CHECKS_H_
