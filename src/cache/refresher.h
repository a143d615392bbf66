// SPDX-License-Identifier: Apache-2.0
//
// Checks tags in use. Each tag is checked shortly before its fresh_for ends, so that pulls seldom
// wait for a check. A tag is in use after a pull that came later than the fresh_for of an earlier
// pull, so a client that pulls all tags of a repository once causes no checks. A tag that nobody
// pulled within keep_fresh is dropped. Lives on the loop thread. Invariants: entries_ and due_ have
// the same tags, each once; once_ has none of these tags.

#ifndef LAYBY_CACHE_REFRESHER_H_
#define LAYBY_CACHE_REFRESHER_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <utility>

#include "layby/base/async.h"
#include "layby/base/clock.h"
#include "layby/cache/cache.h"

namespace layby::cache {

class Refresher {
 public:
  using Check = std::function<void(const Origin&, const TagKey&)>;

  // Calls `check` for each tag that is due. Boxes with different seeds check at different times.
  // References outlive the refresher; `keep_fresh` may change.
  Refresher(const std::chrono::milliseconds& keep_fresh, std::uint32_t seed, Timers& timers,
            const Clock& clock, Check check)
      : keep_fresh_(keep_fresh),
        timers_(timers),
        clock_(clock),
        check_(std::move(check)),
        random_(seed) {}

  // Notes that a client pulled a tag, which is fresh for `fresh_for` after a check.
  void on_used(const Origin& origin, const TagKey& tag, std::chrono::milliseconds fresh_for);

 private:
  struct Entry {
    const Origin* origin = nullptr;
    std::chrono::milliseconds fresh_for{0};
    SteadyTime used_at;
  };

  // Notes the pull of a tag that isn't in entries_. Returns true if the tag is in use now.
  bool is_pulled_again(const TagKey& tag, std::chrono::milliseconds fresh_for);
  SteadyTime next_due(std::chrono::milliseconds fresh_for);
  void arm();
  void on_due();

  const std::chrono::milliseconds& keep_fresh_;
  Timers& timers_;
  const Clock& clock_;
  const Check check_;
  std::map<TagKey, SteadyTime> once_;  // The times of first pulls.
  std::map<TagKey, Entry> entries_;
  std::multimap<SteadyTime, TagKey> due_;
  SteadyTime armed_for_{};
  Handle timer_;
  std::minstd_rand random_;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_REFRESHER_H_
