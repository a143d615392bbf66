// SPDX-License-Identifier: Apache-2.0
//
// How a cached tag is served: at once, at once with a check meanwhile, or after a check.
// Rules tell images that change often from images that change seldom. Pure: values in,
// values out.

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

// What decides how a cached tag is served.
struct TagLook {
  WallTime checked_at;  // When upstream last confirmed the cached image.
  // For a held tag: when upstream was last asked about it. It counts instead of checked_at.
  std::optional<WallTime> held_looked_at;
  std::chrono::milliseconds fresh_for{0};
  // For this long after fresh_for, the tag is served while it is being checked.
  std::chrono::milliseconds stale_while_revalidate{0};
  // These two count only when the tag isn't fresh.
  bool may_ask = true;   // Upstream would take the question now.
  bool refused = false;  // Upstream refused the tag a moment ago.
};

enum class TagServing {
  kAsKnown,          // Serve the cached image.
  kAsKnownAndCheck,  // Serve the cached image, and check the tag meanwhile.
  kAsStale,          // Serve the cached image as stale, because upstream can't be asked.
  kCheckFirst,       // Check the tag, and serve the outcome.
};

// Whether the last look is younger than fresh_for.
bool is_fresh(const TagLook& look, WallTime now);

TagServing tag_serving(const TagLook& look, WallTime now);

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
