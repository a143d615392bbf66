// SPDX-License-Identifier: Apache-2.0
//
// Freshness of tags.

#include "layby/policy/freshness.h"

namespace layby::policy {
Freshness tag_freshness(WallTime checked_at, WallTime now, std::chrono::milliseconds fresh_for) {
  if (checked_at > now) return Freshness::kStale;
  // In milliseconds: fresh_for in nanoseconds could pass 64 bits.
  const auto age = std::chrono::floor<std::chrono::milliseconds>(now - checked_at);
  return age < fresh_for ? Freshness::kFresh : Freshness::kStale;
}

}  // namespace layby::policy
