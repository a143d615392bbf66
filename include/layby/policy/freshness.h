// SPDX-License-Identifier: Apache-2.0
//
// Decides how a cached tag is served: at once, at once with a check meanwhile, or after a
// check. Rules can give each image its own fresh time. The functions are pure.

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
  kFresh,  // Upstream confirmed the tag a short while ago.
  kStale,  // Upstream should be asked about the tag again.
};

// A `checked_at` in the future (a clock was set back) counts as stale.
Freshness tag_freshness(WallTime checked_at, WallTime now, std::chrono::milliseconds fresh_for);

// The fresh time of a tag that never changes.
inline constexpr std::chrono::milliseconds kForever = std::chrono::milliseconds::max();

// The facts that decide how a cached tag is served.
struct TagLook {
  WallTime checked_at;  // When upstream last confirmed the cached image.
  // When upstream was last asked about a held tag; counts instead of checked_at.
  std::optional<WallTime> held_looked_at;
  std::chrono::milliseconds fresh_for{0};
  // For this long after fresh_for, the tag is served while upstream is asked about it.
  std::chrono::milliseconds stale_while_revalidate{0};
  // `may_ask` and `refused` count only when the tag isn't fresh.
  bool may_ask = true;   // A check may begin now.
  bool refused = false;  // Upstream refused the tag a moment ago.
};

enum class TagServing {
  kAsKnown,          // Serve the cached image.
  kAsKnownAndCheck,  // Serve the cached image, and check the tag meanwhile.
  kAsStale,          // Serve the cached image as stale, because upstream can't be asked.
  kCheckFirst,       // Check the tag, and serve the outcome or upstream's refusal.
};

// Whether the cached image was last confirmed (for a held tag: upstream was last asked) less than
// look.fresh_for ago.
bool is_fresh(const TagLook& look, WallTime now);

TagServing tag_serving(const TagLook& look, WallTime now);

struct FreshnessRule {
  // "repository:tag", where '*' stands for any characters. A repository pattern without '/'
  // also matches the names under library/.
  std::vector<std::string> images;
  std::chrono::milliseconds fresh_for{0};

  bool operator==(const FreshnessRule&) const = default;
};

// The fresh time of the first rule that matches the tag; `otherwise` when no rule matches.
std::chrono::milliseconds fresh_for(const std::vector<FreshnessRule>& rules,
                                    std::string_view repository, std::string_view tag,
                                    std::chrono::milliseconds otherwise);

// The fault of an image pattern, as the end of a sentence that begins with the pattern's name;
// nullopt for a valid pattern.
std::optional<std::string> image_pattern_fault(std::string_view pattern);

}  // namespace layby::policy

#endif  // LAYBY_POLICY_FRESHNESS_H_
