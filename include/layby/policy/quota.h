// SPDX-License-Identifier: Apache-2.0
//
// The pull limit as the registry states it in its answers ("ratelimit-limit:
// 100;w=21600", "ratelimit-remaining: 76;w=21600"), and what of it may be spent on what
// nobody waits for. No headers means no limit. Pure: values in, values out.

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

// What is kept of the limit for people: a share of it when `percent` is above 0, else a
// number of pulls.
struct QuotaReserve {
  int percent = 20;
  std::uint64_t pulls = 0;
  bool operator==(const QuotaReserve&) const = default;

  std::uint64_t of(std::uint64_t limit) const;
};

// How long a pull that nobody waits for should wait for its turn.
struct PullTurn {
  enum class Why {
    kFree,      // There is plenty, or no limit.
    kPaced,     // It nears the reserve: no faster than the limit renews itself.
    kReserved,  // What is left is for people; the limit has to be looked at again then.
  };
  Why why = Why::kFree;
  std::chrono::milliseconds wait{0};
};

// `under_way` pulls were sent and not answered yet; the last was sent `since_last` ago.
PullTurn background_pull(const QuotaReserve& reserve, const std::optional<QuotaState>& quota,
                         std::uint64_t under_way, std::chrono::milliseconds since_last);

// How long `pulls` more would take at this limit, the reserve kept: 0 when what is left
// suffices. What is spent comes back evenly over the window, which is the least that a
// registry gives.
std::chrono::seconds time_for_pulls(const QuotaReserve& reserve, const QuotaState& quota,
                                    std::uint64_t pulls);

}  // namespace layby::policy

#endif  // LAYBY_POLICY_QUOTA_H_
