// SPDX-License-Identifier: Apache-2.0
//
// Sums of sizes that come from upstream and from the configuration. A sum that is too large for its
// type is the largest value of the type.

#ifndef LAYBY_SRC_POLICY_SATURATING_H_
#define LAYBY_SRC_POLICY_SATURATING_H_

#include <cstdint>
#include <limits>

namespace layby::policy {

inline std::uint64_t saturating_sum(std::uint64_t a, std::uint64_t b) {
  constexpr auto most = std::numeric_limits<std::uint64_t>::max();
  return a > most - b ? most : a + b;
}

}  // namespace layby::policy

#endif  // LAYBY_SRC_POLICY_SATURATING_H_
