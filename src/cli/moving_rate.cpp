// SPDX-License-Identifier: Apache-2.0
//
// samples_ begins with the last sample from before the window, so that the rate covers the whole
// window. Invariant: times and bytes never fall from sample to sample.

#include "cli/moving_rate.h"

#include <cassert>

namespace layby::cli {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kWindow{10'000};
constexpr milliseconds kSoonest{1'000};  // The rate of a shorter span predicts nothing.

}  // namespace

void MovingRate::take(std::uint64_t bytes, milliseconds at) {
  assert(samples_.empty() || at >= samples_.back().at);
  if (!samples_.empty() && bytes < samples_.back().bytes) samples_.clear();
  samples_.push_back({bytes, at});
  while (samples_.size() > 2 && at - samples_[1].at >= kWindow) samples_.pop_front();
}

std::optional<std::uint64_t> MovingRate::per_second() const {
  if (samples_.empty()) return std::nullopt;
  const milliseconds span = samples_.back().at - samples_.front().at;
  if (span < kSoonest) return std::nullopt;
  assert(samples_.back().bytes >= samples_.front().bytes);
  const std::uint64_t bytes = samples_.back().bytes - samples_.front().bytes;
  return static_cast<std::uint64_t>(static_cast<double>(bytes) * 1000.0 /
                                    static_cast<double>(span.count()));
}

}  // namespace layby::cli
