// SPDX-License-Identifier: Apache-2.0
//
// Whether a cached tag may be served as it is, and for how long, by rules for images that
// change seldom or often. Pure: values in, values out.

#ifndef LAYBY_POLICY_FRESHNESS_H_
#define LAYBY_POLICY_FRESHNESS_H_

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layby/base/clock.h"

namespace layby::policy {

enum class Freshness {
  kFresh,  // Serve it.
  kStale,  // Ask upstream by HEAD; serve it when that fails.
};

// `checked_at` in the future (a clock that was set back) counts as stale.
Freshness tag_freshness(WallTime checked_at, WallTime now, std::chrono::milliseconds fresh_for);

// A tag that never changes.
inline constexpr std::chrono::milliseconds kForever = std::chrono::milliseconds::max();

struct FreshnessRule {
  // "repository:tag", where '*' stands for any characters. A repository without '/' is one
  // of library/.
  std::vector<std::string> images;
  std::chrono::milliseconds fresh_for{0};

  bool operator==(const FreshnessRule&) const = default;
};

// By the first rule that has a pattern for the tag; `otherwise` when none has.
std::chrono::milliseconds fresh_for(const std::vector<FreshnessRule>& rules,
                                    std::string_view repository, std::string_view tag,
                                    std::chrono::milliseconds otherwise);

// What is wrong with a pattern of images, as the end of a sentence that names it.
std::optional<std::string> image_pattern_fault(std::string_view pattern);

}  // namespace layby::policy

#endif  // LAYBY_POLICY_FRESHNESS_H_
