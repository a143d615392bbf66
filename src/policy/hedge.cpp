// SPDX-License-Identifier: Apache-2.0
//
// The budget is counted in parts. A hedge costs 50 parts. Each request adds one part, which is 2%
// of a hedge.

#include "layby/policy/hedge.h"

#include <algorithm>
#include <cassert>

namespace layby::policy {
namespace {

constexpr std::int64_t kHedgesForNewcomers = 2;
constexpr std::chrono::milliseconds kFreeHedgeEvery{12'000};

constexpr std::size_t kTimes = 100;
// Fewer measured times say little about the usual time.
constexpr std::size_t kEnoughTimes = 20;
constexpr std::size_t kUsualPercent = 95;
constexpr int kFactor = 2;

}  // namespace

void Hedge::on_request() { parts_ = std::min(parts_ + 1, kMostSaved); }

void Hedge::on_first_byte(std::chrono::milliseconds took) {
  if (times_.size() < kTimes) return times_.push_back(took);
  times_[oldest_] = took;
  oldest_ = (oldest_ + 1) % kTimes;
}

std::chrono::milliseconds Hedge::delay() const {
  if (times_.size() < kEnoughTimes) return kLeastDelay;
  std::vector<std::chrono::milliseconds> times = times_;
  const std::size_t usually = times.size() * kUsualPercent / 100;
  const auto usual = times.begin() + static_cast<std::ptrdiff_t>(usually) - 1;
  std::nth_element(times.begin(), usual, times.end());
  return std::clamp(kFactor * *usual, kLeastDelay, kMostDelay);
}

bool Hedge::take(For who, SteadyTime now) {
  refill(now);
  const std::int64_t left = who == For::kFirst ? kHedgesForNewcomers * kParts : 0;
  if (parts_ < left + kParts) return false;
  parts_ -= kParts;
  return true;
}

void Hedge::give_back() {
  parts_ += kParts;
  assert(parts_ <= kMostSaved);  // take() has taken these parts.
}

void Hedge::refill(SteadyTime now) {
  assert(now >= refilled_at_);
  constexpr std::chrono::milliseconds kPartEvery = kFreeHedgeEvery / kParts;
  const std::int64_t parts = (now - refilled_at_) / kPartEvery;
  refilled_at_ += parts * kPartEvery;
  if (parts_ < kFree) parts_ = std::min(parts_ + parts, kFree);
  assert(parts_ >= 0 && parts_ <= kMostSaved);
}

}  // namespace layby::policy
