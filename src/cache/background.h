// SPDX-License-Identifier: Apache-2.0
//
// What fills that nobody waits for may take of the link: nothing while a client waits
// for a fill of its own, and never more than a rate. Lives on the loop thread.

#ifndef LAYBY_CACHE_BACKGROUND_H_
#define LAYBY_CACHE_BACKGROUND_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "layby/base/clock.h"
#include "layby/cache/async.h"
#include "layby/policy/rate.h"

namespace layby::cache {

class Background {
 public:
  // A client waits for bytes of upstream, as long as this lives.
  class Demand {
   public:
    explicit Demand(Background& background) : background_(background) {
      if (background_.demands_++ == 0) background_.change();
    }
    Demand(const Demand&) = delete;
    Demand& operator=(const Demand&) = delete;
    ~Demand() {
      if (--background_.demands_ == 0) background_.change();
    }

   private:
    Background& background_;
  };

  // `on_change` is called at a later turn when may_go() has changed.
  Background(Timers& timers, const Clock& clock, std::function<void()> on_change)
      : timers_(timers), clock_(clock), on_change_(std::move(on_change)) {}

  // Bytes a second of all of them together; 0 for no limit.
  void set_max_rate(std::uint64_t max_rate) {
    bucket_.reset();
    if (pause_) change();
    pause_.reset();
    if (max_rate > 0) bucket_.emplace(max_rate, clock_.steady_now());
  }
  // Bytes came that nobody waits for.
  void spend(std::uint64_t bytes) {
    if (!bucket_) return;
    const SteadyTime now = clock_.steady_now();
    bucket_->spend(bytes, now);
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(bucket_->wait(now));
    if (wait.count() == 0) return;
    pause_ = timers_.after(wait, [this] {
      pause_.reset();
      on_change_();
    });
  }

  bool may_go() const { return demands_ == 0 && !pause_; }

 private:
  void change() {
    change_ = timers_.after(std::chrono::milliseconds(0), [this] { on_change_(); });
  }

  Timers& timers_;
  const Clock& clock_;
  const std::function<void()> on_change_;
  int demands_ = 0;
  std::optional<policy::RateBucket> bucket_;
  Handle pause_;   // The rate is used up until then.
  Handle change_;  // on_change_ is due.
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_BACKGROUND_H_
