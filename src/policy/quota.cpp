// SPDX-License-Identifier: Apache-2.0
//
// A rate-limit header of a registry is "<count>" or "<count>;w=<seconds>". The counts come from
// upstream, so the arithmetic allows for any count, 0 included.

#include "layby/policy/quota.h"

#include <algorithm>
#include <cassert>
#include <cstddef>

#include "layby/base/number.h"
#include "layby/http/headers.h"

namespace layby::policy {
namespace {

// Real windows are hours long. A window above this bound could make sums overflow.
constexpr std::uint64_t kMaxWindowSeconds = 366ULL * 24 * 3600;

// Docker Hub's window, used for a registry that states a limit without a window.
constexpr std::chrono::seconds kUsualWindow{6 * 3600};

// When at most 1 / kPacedShare of the pulls above the reserve is left, background pulls are sent
// no faster than spent pulls come back.
constexpr std::uint64_t kPacedShare = 4;

std::uint64_t less(std::uint64_t from, std::uint64_t amount) {
  return from > amount ? from - amount : 0;
}

// How long a registry takes to give one spent pull back.
std::chrono::milliseconds renewal(const QuotaState& quota) {
  const std::chrono::milliseconds window =
      quota.limit.window.count() > 0 ? quota.limit.window : kUsualWindow;
  const auto count = std::clamp<std::uint64_t>(quota.limit.count, 1, 1 << 30);
  return std::max(window / static_cast<std::int64_t>(count), std::chrono::milliseconds(1));
}

}  // namespace

std::optional<QuotaValue> parse_quota(std::string_view value) {
  constexpr std::string_view kWindow = "w=";
  const std::size_t semicolon = value.find(';');
  const auto count = parse_number(http::trim(value.substr(0, semicolon)));
  if (!count) return std::nullopt;
  if (semicolon == std::string_view::npos) return QuotaValue{*count, std::chrono::seconds(0)};
  const std::string_view parameter = http::trim(value.substr(semicolon + 1));
  if (!parameter.starts_with(kWindow)) return std::nullopt;
  const auto window = parse_number(parameter.substr(kWindow.size()));
  if (!window || *window > kMaxWindowSeconds) return std::nullopt;
  return QuotaValue{*count, std::chrono::seconds(static_cast<std::int64_t>(*window))};
}

std::uint64_t QuotaReserve::of(std::uint64_t limit) const {
  if (percent <= 0) return std::min(pulls, limit);
  assert(percent <= 100);
  return limit / 100 * static_cast<std::uint64_t>(percent) +
         limit % 100 * static_cast<std::uint64_t>(percent) / 100;
}

PullTurn background_pull(const QuotaReserve& reserve, const std::optional<QuotaState>& quota,
                         std::uint64_t under_way, std::chrono::milliseconds since_last) {
  if (!quota) return {};
  const std::uint64_t kept = reserve.of(quota->limit.count);
  assert(kept <= quota->limit.count);
  const std::uint64_t left = less(less(quota->remaining.count, under_way), kept);
  if (left == 0) return {PullTurn::Why::kReserved, renewal(*quota)};
  if (left > less(quota->limit.count, kept) / kPacedShare) return {};
  const auto wait = std::max(renewal(*quota) - since_last, std::chrono::milliseconds(0));
  return {PullTurn::Why::kPaced, wait};
}

std::chrono::seconds time_for_pulls(const QuotaReserve& reserve, const QuotaState& quota,
                                    std::uint64_t pulls) {
  const std::uint64_t left = less(quota.remaining.count, reserve.of(quota.limit.count));
  const auto missing =
      static_cast<std::int64_t>(std::min<std::uint64_t>(less(pulls, left), 1 << 20));
  return std::chrono::ceil<std::chrono::seconds>(renewal(quota) * missing);
}

}  // namespace layby::policy
