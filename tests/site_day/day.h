// SPDX-License-Identifier: Apache-2.0
//
// One day of the site under one arrangement, and the day's figures.

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
  bool layby = true;  // If false, each machine asks the registry directly.
  bool list = false;
  cache::GuardRules guard{};
  // Each machine fetches one blob after the other, and unpacks each layer before it asks for the
  // next layer. Some machines are switched off during a pull.
  bool unpacks = false;
  bool pull_ahead = true;
};

// The arrangements that are compared.
std::vector<Arrangement> arrangements();

struct Figures {
  std::uint64_t pulls_counted = 0;  // Counted by the registry against its limit.
  std::uint64_t client_pulls = 0;   // `docker pull`s that succeeded.
  std::uint64_t refused = 0;        // `docker pull`s that ended with 429.
  std::uint64_t failed = 0;         // `docker pull`s that failed otherwise or never ended.
  std::uint64_t link_bytes = 0;
  std::uint64_t ahead_bytes = 0;  // Of link_bytes, see Counters.
  std::uint64_t ahead_unused_bytes = 0;
  std::uint64_t stale = 0;           // Answers that named a tag's old image after the move.
  std::uint64_t most_blob_gets = 0;  // The most GETs of one blob from the registry.
  std::uint64_t most_manifest_gets = 0;
  // The number of tags that moved and whose new image was pulled. A renewal lasts from the tag's
  // move to the end of the first successful pull of the new image.
  std::uint64_t renewed_tags = 0;
  std::chrono::milliseconds mean_renewal{0};
  std::chrono::milliseconds longest_renewal{0};
  // The time from a tag's move to the last answer that named the tag's old image.
  std::chrono::milliseconds last_stale{0};
  // Durations of the pulls that succeeded.
  std::chrono::milliseconds mean_wait{0};
  std::chrono::milliseconds longest_wait{0};

  bool operator==(const Figures&) const = default;
};

Figures run_day(const Arrangement& arrangement, std::uint64_t seed);

}  // namespace layby::site_day

#endif  // LAYBY_TESTS_SITE_DAY_DAY_H_
