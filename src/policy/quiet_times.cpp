// SPDX-License-Identifier: Apache-2.0
//
// The wait after a 429 without a Retry-After doubles with each further 429 of the upstream.
// Invariant: parts_ has at most kMostParts entries.

#include "layby/policy/quiet_times.h"

#include <algorithm>
#include <cassert>
#include <cstddef>

namespace layby::policy {
namespace {

using std::chrono::seconds;

constexpr seconds kFirstQuiet{60};
constexpr int kMaxQuietDoublings = 4;  // 16 times kFirstQuiet is above kLongestQuiet.

// A bound is needed, because clients choose the names of repositories and blobs.
constexpr std::size_t kMostParts = 1024;

}  // namespace

seconds QuietTimes::on_throttled(SteadyTime now, bool pulls_only, std::optional<seconds> asked) {
  SteadyTime& until = pulls_only ? pulls_until_ : until_;
  // Several requests under way at the same time may all get a 429; these 429s count as one.
  if (until <= now || throttled_in_row_ == 0) ++throttled_in_row_;
  assert(throttled_in_row_ > 0);
  const seconds usual = kFirstQuiet * (1 << std::min(throttled_in_row_ - 1, kMaxQuietDoublings));
  const seconds wait = std::min(asked.value_or(usual), kLongestQuiet);
  until = std::max(until, now + wait);
  return wait;
}

seconds QuietTimes::on_part_throttled(SteadyTime now, const std::string& repository,
                                      const std::string& content, std::optional<seconds> asked) {
  const seconds wait = std::min(asked.value_or(kFirstQuiet), kLongestQuiet);
  make_room(now);
  SteadyTime& until = parts_[{repository, content}];
  until = std::max(until, now + wait);
  assert(parts_.size() <= kMostParts);
  return wait;
}

SteadyTime QuietTimes::part_until(const std::string& repository, const std::string& content) const {
  const auto until = [this](const std::string& of, const std::string& part) {
    const auto at = parts_.find({of, part});
    return at == parts_.end() ? SteadyTime{} : at->second;
  };
  if (parts_.empty()) return {};
  return std::max(until(repository, ""), until(repository, content));
}

void QuietTimes::make_room(SteadyTime now) {
  if (parts_.size() < kMostParts) return;
  std::erase_if(parts_, [now](const auto& part) { return part.second <= now; });
  if (parts_.size() >= kMostParts) parts_.clear();
}

}  // namespace layby::policy
