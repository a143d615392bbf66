// SPDX-License-Identifier: Apache-2.0
//
// One day of the site under one arrangement, and what came of it.

#ifndef LAYBY_TESTS_SITE_DAY_DAY_H_
#define LAYBY_TESTS_SITE_DAY_DAY_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "layby/cache/guard.h"

namespace layby::site_day {

struct Arrangement {
  std::string name;
  bool layby = true;  // Else each machine asks the registry itself.
  bool list = false;
  cache::GuardRules guard{};
};

// Those that are compared.
std::vector<Arrangement> arrangements();

struct Figures {
  std::uint64_t pulls_counted = 0;  // By the registry, towards its limit.
  std::uint64_t client_pulls = 0;   // `docker pull`s that ended well.
  std::uint64_t refused = 0;        // That ended with 429.
  std::uint64_t failed = 0;         // That ended otherwise.
  std::uint64_t link_bytes = 0;
  std::uint64_t stale = 0;           // Answers that named an image that its tag had left.
  std::uint64_t most_blob_gets = 0;  // Of one blob, from the registry.
  std::uint64_t most_manifest_gets = 0;
  // Of the tags that moved and were pulled well after that: from the move to the end of
  // the first pull of the new image.
  std::uint64_t renewed_tags = 0;
  std::chrono::milliseconds mean_renewal{0};
  std::chrono::milliseconds longest_renewal{0};
  // From the move to the last answer that named the old image.
  std::chrono::milliseconds last_stale{0};
  // Of the pulls that ended well.
  std::chrono::milliseconds mean_wait{0};
  std::chrono::milliseconds longest_wait{0};

  bool operator==(const Figures&) const = default;
};

Figures run_day(const Arrangement& arrangement, std::uint64_t seed);

}  // namespace layby::site_day

#endif  // LAYBY_TESTS_SITE_DAY_DAY_H_
