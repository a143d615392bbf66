// SPDX-License-Identifier: Apache-2.0
//
// Follows the same schedule of runs as src/app/prefetching.cpp, but without a window of the day.

#include "site_day/layby_site.h"

#include <utility>

namespace layby::site_day {
namespace {

constexpr std::chrono::hours kEvery{6};
constexpr std::chrono::seconds kScheduleLook{20};
constexpr std::chrono::minutes kKeepFresh{10};

std::vector<cache::Origin> origins(cache::GuardRules rules,
                                   std::unique_ptr<cache::Upstream> registry, Timers& timers,
                                   const Clock& clock, events::Events& events) {
  std::vector<cache::Origin> all;
  all.push_back({"docker.io",
                 {"*"},
                 std::make_unique<cache::Guard>("docker.io", rules, std::move(registry), timers,
                                                clock, events)});
  return all;
}

cache::Rules rules(bool pull_ahead) {
  cache::Rules rules;
  rules.pull_ahead = pull_ahead;
  rules.keep_fresh = kKeepFresh;
  return rules;
}

}  // namespace

LaybySite::LaybySite(cache::GuardRules guard_rules, bool pull_ahead,
                     std::unique_ptr<cache::Upstream> registry, Timers& timers, const Clock& clock)
    : timers_(timers),
      clock_(clock),
      store_(timers),
      cache_(rules(pull_ahead), origins(guard_rules, std::move(registry), timers, clock, events_),
             store_, timers, clock, counters_, events_),
      source_(cache_, timers),
      schedule_(kEvery, std::nullopt) {}

void LaybySite::prefetch(const std::vector<ImageName>& images) {
  cache::PrefetchList list;
  for (const ImageName& image : images) {
    cache::PrefetchImage listed;
    listed.origin = cache_.find_origin("");
    listed.repository = image.repository;
    listed.tags.push_back(*policy::TagPattern::parse(image.tag));
    listed.choice.platforms.push_back(*oci::parse_platform("linux/amd64"));
    list.images.push_back(std::move(listed));
  }
  cache::Prefetcher& prefetcher = cache_.prefetcher();
  prefetcher.on_ended([this, &prefetcher] {
    schedule_.on_ended(clock_.steady_now(), prefetcher.report().failed());
    keep_schedule_soon();
  });
  prefetcher.on_moved([this, &prefetcher] {
    if (prefetcher.running()) return;
    schedule_.want_soon();
    keep_schedule_soon();
  });
  prefetcher.set_list(std::move(list));
  keep_schedule();
}

void LaybySite::keep_schedule_soon() {
  schedule_timer_ = timers_.after(std::chrono::milliseconds(0), [this] { keep_schedule(); });
}

void LaybySite::keep_schedule() {
  const SteadyTime now = clock_.steady_now();
  std::chrono::milliseconds look = kScheduleLook;
  if (!cache_.prefetcher().running()) {
    const auto wait = schedule_.wait(now, std::chrono::seconds(0));
    if (wait.count() == 0) {
      schedule_.on_started(now);
      cache_.prefetcher().start();
    } else {
      look = std::min(look, wait);
    }
  }
  schedule_timer_ = timers_.after(look, [this] { keep_schedule(); });
}

}  // namespace layby::site_day
