// SPDX-License-Identifier: Apache-2.0
//
// The pull limit as the registry states it in its answers ("ratelimit-limit:
// 100;w=21600", "ratelimit-remaining: 76;w=21600"). No headers means no limit.

#ifndef LAYBY_POLICY_QUOTA_H_
#define LAYBY_POLICY_QUOTA_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "layby/base/clock.h"

namespace layby::policy {

struct QuotaValue {
  std::uint64_t count = 0;
  std::chrono::seconds window{0};  // 0 when it isn't stated.
  bool operator==(const QuotaValue&) const = default;
};

// The pull limit at one moment.
struct QuotaState {
  QuotaValue limit;
  QuotaValue remaining;
  std::string source;  // docker-ratelimit-source: an address or an account's id.
  WallTime seen_at;
};

// "100;w=21600" or "100"; nullopt for anything else.
std::optional<QuotaValue> parse_quota(std::string_view value);

}  // namespace layby::policy

#endif  // LAYBY_POLICY_QUOTA_H_
