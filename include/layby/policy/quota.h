// SPDX-License-Identifier: Apache-2.0
//
// Reads the pull limit from the headers of a registry's answers ("ratelimit-limit:
// 100;w=21600", "ratelimit-remaining: 76;w=21600"), and decides how much of the limit pulls in
// the background may spend. No headers means no limit. The functions are pure.

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
  std::chrono::seconds window{0};  // 0 when the registry states no window.
  bool operator==(const QuotaValue&) const = default;
};

// The pull limit at one moment.
struct QuotaState {
  QuotaValue limit;
  QuotaValue remaining;
  std::string source;  // From docker-ratelimit-source: an address or an account's id.
  WallTime seen_at;
};

// Parses "100;w=21600" or "100"; nullopt for any other text.
std::optional<QuotaValue> parse_quota(std::string_view value);

// The part of the pull limit that prefetch leaves for people: a share of the limit when
// `percent` is above 0, else a number of pulls. `percent` is at most 100.
struct QuotaReserve {
  int percent = 20;
  std::uint64_t pulls = 0;
  bool operator==(const QuotaReserve&) const = default;

  std::uint64_t of(std::uint64_t limit) const;
};

// How long a pull in the background should wait for its turn.
struct PullTurn {
  enum class Why {
    kFree,      // Many pulls are left, or there is no limit.
    kPaced,     // Few pulls are left above the reserve: pull no faster than spent pulls come back.
    kReserved,  // Only the reserve for people is left: ask again after `wait`.
  };
  Why why = Why::kFree;
  std::chrono::milliseconds wait{0};
};

// The turn of a pull in the background, when `under_way` pulls are unanswered and the last pull
// was sent `since_last` ago.
PullTurn background_pull(const QuotaReserve& reserve, const std::optional<QuotaState>& quota,
                         std::uint64_t under_way, std::chrono::milliseconds since_last);

// The time that `pulls` further pulls take if the reserve stays untouched; 0 when the remaining
// pulls suffice. Assumes that spent pulls come back evenly over the window. A registry that gives
// pulls back sooner makes the real time shorter.
std::chrono::seconds time_for_pulls(const QuotaReserve& reserve, const QuotaState& quota,
                                    std::uint64_t pulls);

}  // namespace layby::policy

#endif  // LAYBY_POLICY_QUOTA_H_
