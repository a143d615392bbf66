// SPDX-License-Identifier: Apache-2.0
//
// Whether a cached tag may be served without asking upstream, and for how long. Rules
// tell images that change often from images that change seldom. Pure: values in, values
// out.

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
  kFresh,  // Serve the tag.
  kStale,  // Ask upstream by HEAD; serve the cached tag if that fails.
};

// `checked_at` in the future (a clock that was set back) counts as stale.
Freshness tag_freshness(WallTime checked_at, WallTime now, std::chrono::milliseconds fresh_for);

// For a tag that never changes.
inline constexpr std::chrono::milliseconds kForever = std::chrono::milliseconds::max();

struct FreshnessRule {
  // "repository:tag", where '*' stands for any characters. A repository pattern without '/'
  // also matches the names under library/.
  std::vector<std::string> images;
  std::chrono::milliseconds fresh_for{0};

  bool operator==(const FreshnessRule&) const = default;
};

// The lifetime from the first rule that matches the tag; `otherwise` when none matches.
std::chrono::milliseconds fresh_for(const std::vector<FreshnessRule>& rules,
                                    std::string_view repository, std::string_view tag,
                                    std::chrono::milliseconds otherwise);

// What is wrong with an image pattern, as the end of a sentence that begins with its name.
std::optional<std::string> image_pattern_fault(std::string_view pattern);

}  // namespace layby::policy

#endif  // LAYBY_POLICY_FRESHNESS_H_
