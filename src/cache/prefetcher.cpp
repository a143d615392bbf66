// SPDX-License-Identifier: Apache-2.0
//
// A run that is over is destroyed inside its own callback, after its report was taken.
// Invariants: run_ is set exactly while a run is under way; plans_ has the plans that were not
// answered yet, with the stopped plans first; a plan is answered once. The answer of a plan may
// destroy or begin other plans.

#include <algorithm>
#include <cassert>
#include <optional>
#include <utility>

#include "cache/prefetch_run.h"
#include "layby/base/log.h"
#include "layby/cache/prefetch.h"

namespace layby::cache {

namespace {

// The first run of a process displaces nothing that was used in this time before the run.
constexpr std::chrono::hours kUsedLately{24};

// Asks the store whether the old image of a moved tag is whole, and then whether the new image is.
// The tag is held if only the old image is whole. An index that can't be read holds no tag.
class HoldQuestion final : public Operation {
 public:
  HoldQuestion(Store& store, const TagMove& move, PlatformChoice choice,
               std::function<void(bool)> done)
      : store_(store), to_(move.to), choice_(std::move(choice)), done_(std::move(done)) {
    question_ = ask_whole(store_, move.from, choice_,
                          [this](const Result<bool>& whole) { on_old(whole.ok() && *whole); });
  }

 private:
  void on_old(bool is_whole) {
    if (!is_whole) return answer(false);
    question_ = ask_whole(store_, to_, choice_,
                          [this](const Result<bool>& whole) { answer(whole.ok() && !*whole); });
  }
  void answer(bool holds) {
    assert(done_);
    const auto done = std::move(done_);
    done(holds);  // May destroy this.
  }

  Store& store_;
  const oci::Digest to_;
  const PlatformChoice choice_;
  std::function<void(bool)> done_;
  Handle question_;
};

}  // namespace

// A plan that somebody waits for.
class Prefetcher::Plan final : public Operation {
 public:
  Plan(Prefetcher& owner, bool sizes, std::function<void(PrefetchReport)> done)
      : owner_(&owner),
        done_(std::move(done)),
        run_(*owner.context_, owner.list_,
             sizes ? PrefetchRun::Depth::kSizes : PrefetchRun::Depth::kPlan, owner.used_since(),
             [this] { end(); }) {
    owner.plans_.push_back(this);
    run_.start();
  }
  ~Plan() override {
    if (owner_ != nullptr) std::erase(owner_->plans_, this);
  }

  // Stops the plan before the list is replaced, and saves the plan's report for answer().
  void stop() {
    // An answer of a plan may replace the list and so stop this plan again.
    if (stopped_at_) return;
    run_.stop();
    stopped_at_ = run_.report();
  }
  bool stopped() const { return stopped_at_.has_value(); }
  // Gives the report of the stopped plan.
  void answer() {
    assert(stopped_at_);
    tell(*std::move(stopped_at_));
  }

 private:
  void end() { tell(run_.report()); }
  // The plan leaves plans_ before the callback, so that the plan isn't answered a second time.
  void tell(PrefetchReport report) {
    assert(owner_ != nullptr && done_);
    std::erase(owner_->plans_, this);
    owner_ = nullptr;
    const auto done = std::move(done_);
    done(std::move(report));  // May destroy this.
  }

  Prefetcher* owner_;  // Null after the answer.
  std::function<void(PrefetchReport)> done_;
  std::optional<PrefetchReport> stopped_at_;
  PrefetchRun run_;
};

Prefetcher::Prefetcher(const Context& context) : context_(std::make_unique<Context>(context)) {
  context_->manifests.set_holder([this](const TagMove& move, std::function<void(bool)> done) {
    return ask_hold(move, std::move(done));
  });
}

Prefetcher::~Prefetcher() {
  stop_plans();
  answer_stopped_plans();
  assert(plans_.empty());  // Callbacks must not begin a plan during the destruction.
  context_->manifests.set_holder(nullptr);
}

void Prefetcher::stop_plans() {
  for (Plan* plan : plans_) plan->stop();
}

void Prefetcher::answer_stopped_plans() {
  while (!plans_.empty() && plans_.front()->stopped()) plans_.front()->answer();
}

void Prefetcher::set_list(PrefetchList list) {
  stop();
  stop_plans();
  list_ = std::move(list);
  context_->fills.set_background_rate(list_.max_rate);
  last_ = {};
  if (list_.images.empty()) {
    context_->store.set_list_pins({}, [](const Status& status) {
      if (!status.ok())
        log::error("prefetch: the list's pins were not removed: {}", status.error().message);
    });
  }
  answer_stopped_plans();
}

std::uint64_t Prefetcher::start() {
  if (run_) return number_;
  run_ = std::make_unique<PrefetchRun>(*context_, list_, PrefetchRun::Depth::kWhole, used_since(),
                                       [this] { on_run_over(); });
  ++number_;
  run_->start();
  return number_;
}

// If the clock was set back, last_ended_ may lie in the future, so the present time is returned
// instead.
WallTime Prefetcher::used_since() const {
  const WallTime now = context_->clock.wall_now();
  return last_ended_ ? std::min(*last_ended_, now) : now - kUsedLately;
}

void Prefetcher::stop() {
  if (!run_) return;
  run_->stop();
  last_ = run_->report();
  run_.reset();
}

PrefetchReport Prefetcher::report() const { return run_ ? run_->report() : last_; }

Handle Prefetcher::plan(bool sizes, std::function<void(PrefetchReport)> done) {
  return std::make_unique<Plan>(*this, sizes, std::move(done));
}

void Prefetcher::on_run_over() {
  assert(run_);
  last_ = run_->report();
  last_ended_ = context_->clock.wall_now();
  const auto over = std::move(run_);
  if (on_ended_) on_ended_();
}

Handle Prefetcher::ask_hold(const TagMove& move, std::function<void(bool)> done) {
  auto listed = find_listed(list_, move.tag);
  if (!listed) return nullptr;
  if (on_moved_) on_moved_();
  const auto since = context_->clock.wall_now() - move.seen_at;
  if (since >= list_.hold) return nullptr;
  return std::make_unique<HoldQuestion>(context_->store, move, std::move(listed->choice),
                                        std::move(done));
}

}  // namespace layby::cache
