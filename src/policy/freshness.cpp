// SPDX-License-Identifier: Apache-2.0
//
// Freshness of tags, and the rules for fresh times.

#include "layby/policy/freshness.h"

#include <algorithm>
#include <cassert>
#include <cstddef>

#include "layby/policy/repository_filter.h"

namespace layby::policy {
namespace {

constexpr std::string_view kOfficial = "library/";

bool matches_image(std::string_view pattern, std::string_view repository, std::string_view tag) {
  const std::size_t colon = pattern.find(':');
  assert(colon != std::string_view::npos);  // Checked by image_pattern_fault().
  const std::string_view of_repository = pattern.substr(0, colon);
  if (!matches_pattern(pattern.substr(colon + 1), tag)) return false;
  if (matches_pattern(of_repository, repository)) return true;
  const bool is_short = of_repository.find('/') == std::string_view::npos;
  return is_short && repository.starts_with(kOfficial) &&
         matches_pattern(of_repository, repository.substr(kOfficial.size()));
}

bool is_younger(const TagLook& look, WallTime now, std::chrono::milliseconds limit) {
  return tag_freshness(look.held_looked_at.value_or(look.checked_at), now, limit) ==
         Freshness::kFresh;
}

}  // namespace

Freshness tag_freshness(WallTime checked_at, WallTime now, std::chrono::milliseconds fresh_for) {
  if (checked_at > now) return Freshness::kStale;
  // In milliseconds, because fresh_for in nanoseconds can overflow 64 bits.
  const auto age = std::chrono::floor<std::chrono::milliseconds>(now - checked_at);
  return age < fresh_for ? Freshness::kFresh : Freshness::kStale;
}

bool is_fresh(const TagLook& look, WallTime now) { return is_younger(look, now, look.fresh_for); }

TagServing tag_serving(const TagLook& look, WallTime now) {
  if (is_fresh(look, now)) return TagServing::kAsKnown;
  if (!look.may_ask) return TagServing::kAsStale;
  // If upstream refused the tag a moment ago, the tag is checked first, so that the client gets the
  // refusal even if the cached image is still usable.
  if (look.refused) return TagServing::kCheckFirst;
  // Bounded, because fresh_for may be kForever and the sum would overflow.
  const auto more = std::min(look.stale_while_revalidate, kForever - look.fresh_for);
  return is_younger(look, now, look.fresh_for + more) ? TagServing::kAsKnownAndCheck
                                                      : TagServing::kCheckFirst;
}

std::chrono::milliseconds fresh_for(const std::vector<FreshnessRule>& rules,
                                    std::string_view repository, std::string_view tag,
                                    std::chrono::milliseconds otherwise) {
  for (const FreshnessRule& rule : rules) {
    for (const std::string& pattern : rule.images) {
      if (matches_image(pattern, repository, tag)) return rule.fresh_for;
    }
  }
  return otherwise;
}

std::optional<std::string> image_pattern_fault(std::string_view pattern) {
  constexpr const char* kExample = ", such as \"python:*-slim\" or \"*:latest\"";
  if (pattern.find('@') != std::string_view::npos) {
    return "names digests, which never change and need no rule";
  }
  const auto colons = std::count(pattern.begin(), pattern.end(), ':');
  if (colons != 1 || pattern.starts_with(':') || pattern.ends_with(':')) {
    return std::string("must be a repository pattern and a tag pattern with a ':' between") +
           kExample;
  }
  constexpr std::string_view kCharacters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-/*:";
  if (pattern.find_first_not_of(kCharacters) != std::string_view::npos) {
    return std::string("has a character that no image name can have; write a pattern") + kExample;
  }
  return std::nullopt;
}

}  // namespace layby::policy
