// SPDX-License-Identifier: Apache-2.0
//
// The registry's rate-limit headers: "<count>" or "<count>;w=<seconds>".

#include "layby/policy/quota.h"

#include <cstddef>

#include "layby/base/number.h"
#include "layby/http/headers.h"

namespace layby::policy {
namespace {

// Windows are hours; one above this is no window, and sums with it could overflow.
constexpr std::uint64_t kMaxWindowSeconds = 366ULL * 24 * 3600;

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

}  // namespace layby::policy
