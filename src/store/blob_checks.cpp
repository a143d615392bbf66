// SPDX-License-Identifier: Apache-2.0
//
// While a blob is checked, its digest stays at the front of the queue, so that add() ignores the
// digest. The digest of a damaged blob stays there until the blob is set aside.

#include "store/blob_checks.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "layby/base/counters.h"

namespace layby::store {

bool BlobChecks::is_checked(const oci::Digest& digest) const {
  const auto at = checked_.find(digest);
  return at != checked_.end() && context_.clock.steady_now() - at->second < kStaysChecked;
}

void BlobChecks::add(const oci::Digest& digest) {
  if (waiting_.size() >= kMostWaiting || is_checked(digest)) return;
  if (std::find(waiting_.begin(), waiting_.end(), digest) != waiting_.end()) return;
  waiting_.push_back(digest);
  if (waiting_.size() == 1) next();
}

void BlobChecks::next() {
  assert(!check_);
  if (waiting_.empty()) return;
  check_ = std::make_unique<BlobCheck>(
      context_.core, context_.workers, waiting_.front(),
      [](std::uint64_t) { return std::chrono::milliseconds(0); },
      [this](const CheckedBlob& checked) { on_checked(checked); });
}

void BlobChecks::on_checked(const CheckedBlob& checked) {
  assert(check_ && !waiting_.empty());
  over_ = std::move(check_);
  const oci::Digest digest = waiting_.front();
  auto go_on = life_.guard([this] {
    waiting_.pop_front();
    next();
  });
  if (checked.state != BlobState::kGone) {
    count(context_.core->counters.scrubbed_bytes, checked.size_bytes);
  }
  if (checked.state == BlobState::kDamaged) {
    return context_.set_aside(digest, checked.inode, std::move(go_on));
  }
  if (checked.state == BlobState::kGood) {
    const SteadyTime now = context_.clock.steady_now();
    std::erase_if(checked_, [&](const auto& old) { return now - old.second >= kStaysChecked; });
    if (checked_.size() < 16 * kMostWaiting) checked_.insert_or_assign(digest, now);
  }
  go_on();
}

}  // namespace layby::store
