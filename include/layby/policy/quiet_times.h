// SPDX-License-Identifier: Apache-2.0
//
// Decides how long an upstream, or a part of an upstream, is left in peace after a 429. A 429 of
// the upstream itself stops all requests, or only pulls. A 429 of a token server stops the requests
// for one repository, and a 429 of a CDN stops the requests for one blob. The clock is an argument.

#ifndef LAYBY_POLICY_QUIET_TIMES_H_
#define LAYBY_POLICY_QUIET_TIMES_H_

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "layby/base/clock.h"

namespace layby::policy {

// The longest wait after a 429, even if its Retry-After is longer. The next request finds out
// whether the upstream still refuses.
inline constexpr std::chrono::seconds kLongestQuiet{600};

class QuietTimes {
 public:
  // Upstream answered 429 with the Retry-After `asked`. With `pulls_only`, only requests for
  // manifests wait. Returns the length of the quiet time.
  std::chrono::seconds on_throttled(SteadyTime now, bool pulls_only,
                                    std::optional<std::chrono::seconds> asked);
  // A 429 came that concerns only `content` of `repository`, or the whole repository if `content`
  // is empty. Returns the length of the quiet time.
  std::chrono::seconds on_part_throttled(SteadyTime now, const std::string& repository,
                                         const std::string& content,
                                         std::optional<std::chrono::seconds> asked);
  // A good answer came, so the wait after the next 429 without a Retry-After is the shortest again.
  void on_answer() { throttled_in_row_ = 0; }

  // When the quiet time ends; a time in the past if no quiet time is under way.
  SteadyTime until() const { return until_; }
  SteadyTime pulls_until() const { return pulls_until_ > until_ ? pulls_until_ : until_; }
  SteadyTime part_until(const std::string& repository, const std::string& content) const;

 private:
  void make_room(SteadyTime now);

  SteadyTime until_{};        // The end of the quiet time for all requests.
  SteadyTime pulls_until_{};  // The end of the quiet time for manifests.
  int throttled_in_row_ = 0;
  std::map<std::pair<std::string, std::string>, SteadyTime> parts_;  // By repository and content.
};

}  // namespace layby::policy

#endif  // LAYBY_POLICY_QUIET_TIMES_H_
