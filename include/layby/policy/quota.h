// SPDX-License-Identifier: Apache-2.0
//
// The pull limit as the registry states it in its answers ("ratelimit-limit:
// 100;w=21600", "ratelimit-remaining: 76;w=21600"), and how much of it pulls in the
// background may spend. No headers means no limit. Pure: values in, values out.

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
  std::chrono::seconds window{0};  // 0 when the registry states none.
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

// The part of the limit that is kept for people: a share of the limit when `percent` is
// above 0, else a number of pulls. `percent` is at most 100.
struct QuotaReserve {
  int percent = 20;
  std::uint64_t pulls = 0;
  bool operator==(const QuotaReserve&) const = default;

  std::uint64_t of(std::uint64_t limit) const;
};

// How long a pull in the background should wait for its turn.
struct PullTurn {
  enum class Why {
    kFree,      // There is plenty, or no limit.
    kPaced,     // The reserve is near: pull no faster than the limit renews itself.
    kReserved,  // Only the reserve for people is left; look again after `wait`.
  };
  Why why = Why::kFree;
  std::chrono::milliseconds wait{0};
};

// `under_way` pulls are still unanswered; the last pull was sent `since_last` ago.
PullTurn background_pull(const QuotaReserve& reserve, const std::optional<QuotaState>& quota,
                         std::uint64_t under_way, std::chrono::milliseconds since_last);

// How long `pulls` more would take at this limit without touching the reserve; 0 when the
// remaining pulls suffice. Assumes that spent pulls come back evenly over the window; no
// registry gives them back later than that.
std::chrono::seconds time_for_pulls(const QuotaReserve& reserve, const QuotaState& quota,
                                    std::uint64_t pulls);

}  // namespace layby::policy

#endif  // LAYBY_POLICY_QUOTA_H_
