// SPDX-License-Identifier: Apache-2.0
//
// Sizes come from upstream, so a sum that overflows must not admit a blob.

#include "layby/policy/admission.h"

#include <algorithm>

#include "policy/saturating.h"

namespace layby::policy {

std::uint64_t SpaceLimit::resolve(std::uint64_t disk_total_bytes) const {
  if (percent <= 0) return bytes;
  return disk_total_bytes / 100 * static_cast<std::uint64_t>(percent);
}

bool has_room(const SpaceRules& rules, const SpaceUse& use, std::uint64_t new_bytes) {
  if (use.disk_total_bytes == 0) return true;
  const std::uint64_t coming = saturating_sum(use.reserved_bytes, new_bytes);
  if (saturating_sum(use.cached_bytes, coming) > rules.max_bytes.resolve(use.disk_total_bytes)) {
    return false;
  }
  const std::uint64_t keep_free = rules.min_free_bytes.resolve(use.disk_total_bytes);
  return saturating_sum(coming, keep_free) <= use.disk_free_bytes;
}

std::uint64_t capacity(const SpaceRules& rules, const SpaceUse& use) {
  const std::uint64_t ours = saturating_sum(use.cached_bytes, use.disk_free_bytes);
  const std::uint64_t keep_free = rules.min_free_bytes.resolve(use.disk_total_bytes);
  return std::min(rules.max_bytes.resolve(use.disk_total_bytes), ours - std::min(ours, keep_free));
}

}  // namespace layby::policy
