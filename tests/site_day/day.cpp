// SPDX-License-Identifier: Apache-2.0
//
// Each pull of the trace begins at its time, whatever the result of the earlier pulls. A
// refused pull is not tried again.

#include "site_day/day.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "site_day/hub.h"
#include "site_day/layby_site.h"
#include "site_day/pull.h"
#include "site_day/trace.h"
#include "support/fake_timers.h"

namespace layby::site_day {
namespace {

using std::chrono::milliseconds;

constexpr double kLinkBytesPerSecond = 10e6 / 8;
// Pulls that began before midnight may end after midnight.
constexpr std::chrono::hours kAfterwards{6};
// On a day with machines that unpack, each pull with this number is cut off.
constexpr std::size_t kSwitchedOffEach = 20;

class Day {
 public:
  Day(const Arrangement& arrangement, std::uint64_t seed)
      : unpacks_(arrangement.unpacks),
        images_(seed),
        trace_(make_trace(images_, seed)),
        machines_(kMachines) {
    auto hub = std::make_unique<Hub>(images_, link_, timers_, clock_);
    hub_ = hub.get();
    if (arrangement.layby) {
      layby_.emplace(arrangement.guard, arrangement.pull_ahead, std::move(hub), timers_, clock_);
      source_ = &layby_->source();
    } else {
      registry_ = std::move(hub);
      direct_.emplace(*registry_);
      source_ = &*direct_;
    }
    if (arrangement.list) layby_->prefetch(images_.listed());
  }

  Figures run() {
    const Handle rebuild = timers_.after(kRebuiltAt, [this] { rebuild_base(); });
    await_next_pull();
    timers_.advance(kDay);
    if (layby_) layby_->end();
    timers_.advance(kAfterwards);
    return figures();
  }

 private:
  struct Running {
    SteadyTime began;
    ImageName image;
    std::optional<oci::Digest> named;
    std::unique_ptr<Pull> pull;
  };

  milliseconds since_midnight() const {
    return std::chrono::duration_cast<milliseconds>(clock_.steady_now() - midnight_);
  }

  milliseconds since_move() const {
    return std::chrono::duration_cast<milliseconds>(clock_.steady_now() - moved_at_);
  }

  void rebuild_base() {
    moved_at_ = clock_.steady_now();
    for (const ImageName& image : images_.rebuild_base()) moved_.emplace(image, std::nullopt);
  }

  void await_next_pull() {
    if (next_ == trace_.size()) return;
    next_pull_ = timers_.after(trace_[next_].at - since_midnight(), [this] {
      begin(trace_[next_++]);
      await_next_pull();
    });
  }

  void begin(const TracedPull& traced) {
    Machine& machine = machines_[traced.machine];
    if (traced.emptied) machine = {};
    const std::size_t number = next_;
    Running& running = running_[number];
    running.began = clock_.steady_now();
    running.image = traced.image;
    running.pull = std::make_unique<Pull>(
        *source_, machine, traced.image,
        Pull::Events{[this, &running](const oci::Digest& digest) { on_named(running, digest); },
                     [this, number](const Status& status) { on_over(number, status); }},
        manner(number));
  }

  Pull::Manner manner(std::size_t number) {
    Pull::Manner manner;
    if (unpacks_) manner.timers = &timers_;
    if (unpacks_ && number % kSwitchedOffEach == 0) manner.off_after = 3;
    return manner;
  }

  void on_named(Running& running, const oci::Digest& digest) {
    running.named = digest;
    if (images_.find_tag(running.image) == digest) return;
    ++figures_.stale;
    figures_.last_stale = since_move();
  }

  void on_over(std::size_t number, const Status& status) {
    const auto over = running_.extract(number);
    const Running& pull = over.mapped();
    if (!status.ok() && status.error().code == ErrorCode::kCancelled) return;
    if (!status.ok()) {
      ++(status.error().code == ErrorCode::kThrottled ? figures_.refused : figures_.failed);
      return;
    }
    ++figures_.client_pulls;
    const auto wait = std::chrono::duration_cast<milliseconds>(clock_.steady_now() - pull.began);
    waited_ += wait;
    figures_.longest_wait = std::max(figures_.longest_wait, wait);
    const auto moved = moved_.find(pull.image);
    const bool is_new = moved != moved_.end() && images_.find_tag(pull.image) == pull.named;
    if (is_new && !moved->second) moved->second = since_move();
  }

  Figures figures() {
    Figures made = figures_;
    made.failed += running_.size();
    made.pulls_counted = hub_->pulls();
    made.link_bytes = link_.sent_bytes() + hub_->manifest_bytes();
    if (layby_) {
      made.ahead_bytes = layby_->counters().ahead_bytes;
      made.ahead_unused_bytes = layby_->counters().ahead_unused_bytes;
    }
    made.most_blob_gets = most(hub_->blob_gets());
    made.most_manifest_gets = most(hub_->manifest_gets());
    made.mean_wait =
        waited_ / std::max<std::int64_t>(1, static_cast<std::int64_t>(made.client_pulls));
    add_renewals(made);
    return made;
  }

  static std::uint64_t most(const std::map<oci::Digest, int>& gets) {
    int most = 0;
    for (const auto& [digest, count] : gets) most = std::max(most, count);
    return static_cast<std::uint64_t>(most);
  }

  void add_renewals(Figures& made) const {
    milliseconds sum{0};
    for (const auto& [image, after] : moved_) {
      if (!after) continue;
      ++made.renewed_tags;
      sum += *after;
      made.longest_renewal = std::max(made.longest_renewal, *after);
    }
    if (made.renewed_tags > 0)
      made.mean_renewal = sum / static_cast<std::int64_t>(made.renewed_tags);
  }

  const bool unpacks_;
  testing::FakeClock clock_;
  const SteadyTime midnight_ = clock_.steady_now();
  testing::FakeTimers timers_{clock_};
  Images images_;
  const std::vector<TracedPull> trace_;
  std::vector<Machine> machines_;
  Link link_{timers_, kLinkBytesPerSecond};
  Hub* hub_ = nullptr;
  std::unique_ptr<Hub> registry_;
  std::optional<DirectSource> direct_;
  std::optional<LaybySite> layby_;
  Source* source_ = nullptr;
  std::size_t next_ = 0;
  Handle next_pull_;
  std::map<std::size_t, Running> running_;
  SteadyTime moved_at_{};
  std::map<ImageName, std::optional<milliseconds>> moved_;
  milliseconds waited_{0};
  Figures figures_;
};

}  // namespace

std::vector<Arrangement> arrangements() {
  const cache::GuardRules unheeding{.requests_per_minute = 0, .reserve = {0, 0}};
  return {{"no cache", false},
          {"Layby", true},
          {"Layby with a list without reserve", true, true, unheeding},
          {"Layby with a list", true, true}};
}

Figures run_day(const Arrangement& arrangement, std::uint64_t seed) {
  return Day(arrangement, seed).run();
}

}  // namespace layby::site_day
