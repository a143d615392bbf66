// SPDX-License-Identifier: Apache-2.0
//
// Decides how long an upstream, or a part of it, is left in peace after a 429. A 429 of the
// upstream itself quiets all requests, or all pulls. A 429 of a token server quiets one
// repository, and a 429 of a CDN quiets one blob. The caller passes the times in.

#ifndef LAYBY_POLICY_QUIET_TIMES_H_
#define LAYBY_POLICY_QUIET_TIMES_H_

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "layby/base/clock.h"

namespace layby::policy {

// The longest wait after a 429, whatever its Retry-After says. The next request is the probe that
// finds out whether the upstream still refuses.
inline constexpr std::chrono::seconds kLongestQuiet{600};

class QuietTimes {
 public:
  // Upstream answered 429 with the Retry-After `asked`. `pulls_only`: only requests for manifests
  // wait. Returns the wait.
  std::chrono::seconds on_throttled(SteadyTime now, bool pulls_only,
                                    std::optional<std::chrono::seconds> asked);
  // A 429 that is about `content` of `repository` alone, or about the whole repository if `content`
  // is empty.
  std::chrono::seconds on_part_throttled(SteadyTime now, const std::string& repository,
                                         const std::string& content,
                                         std::optional<std::chrono::seconds> asked);
  // A good answer came, so the next wait without a Retry-After is the shortest again.
  void on_answer() { throttled_in_row_ = 0; }

  // When the quiet time ends; in the past when there is none.
  SteadyTime until() const { return until_; }
  SteadyTime pulls_until() const { return pulls_until_ > until_ ? pulls_until_ : until_; }
  SteadyTime part_until(const std::string& repository, const std::string& content) const;

 private:
  void make_room(SteadyTime now);

  SteadyTime until_{};        // For all requests.
  SteadyTime pulls_until_{};  // For requests for manifests.
  int throttled_in_row_ = 0;
  std::map<std::pair<std::string, std::string>, SteadyTime> parts_;  // By repository and content.
};

}  // namespace layby::policy

#endif  // LAYBY_POLICY_QUIET_TIMES_H_
