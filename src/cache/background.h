// SPDX-License-Identifier: Apache-2.0
//
// Decides when background fills may use the link: never while a client waits for bytes from
// upstream, and never above a set rate. Bounds the number of fills that go on after their clients
// have left. Lives on the loop thread. Invariant: demands_ and left_ are the numbers of living
// Demand and Left objects.

#ifndef LAYBY_CACHE_BACKGROUND_H_
#define LAYBY_CACHE_BACKGROUND_H_

#include <cassert>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "layby/base/async.h"
#include "layby/base/clock.h"
#include "layby/policy/rate.h"

namespace layby::cache {

class Background {
 public:
  // Says that a client waits for bytes from upstream, as long as the Demand lives.
  class Demand {
   public:
    explicit Demand(Background& background) : background_(background) {
      if (background_.demands_++ == 0) background_.change();
    }
    Demand(const Demand&) = delete;
    Demand& operator=(const Demand&) = delete;
    ~Demand() {
      assert(background_.demands_ > 0);
      if (--background_.demands_ == 0) background_.change();
    }

   private:
    Background& background_;
  };

  // The place of a fill that goes on after its clients have left.
  class Left {
   public:
    explicit Left(Background& background) : background_(background) {
      assert(background_.has_place());
      ++background_.left_;
    }
    Left(const Left&) = delete;
    Left& operator=(const Left&) = delete;
    ~Left() {
      assert(background_.left_ > 0);
      --background_.left_;
    }

   private:
    Background& background_;
  };
  // Whether one more fill may go on after its clients have left. Each of these fills keeps a
  // connection and a file open, so their number is bounded.
  bool has_place() const { return left_ < kMostLeft; }

  // When the result of may_go() may have changed, `on_change` is called in a later turn.
  Background(Timers& timers, const Clock& clock, std::function<void()> on_change)
      : timers_(timers), clock_(clock), on_change_(std::move(on_change)) {
    assert(on_change_);
  }

  // Bytes a second for all background fills together; 0 for no limit.
  void set_max_rate(std::uint64_t max_rate) {
    bucket_.reset();
    if (pause_) change();
    pause_.reset();
    if (max_rate > 0) bucket_.emplace(max_rate, clock_.steady_now());
  }
  // Notes that `bytes` came for a background fill.
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
  // A large image has about this many blobs.
  static constexpr int kMostLeft = 32;

  void change() {
    change_ = timers_.after(std::chrono::milliseconds(0), [this] { on_change_(); });
  }

  Timers& timers_;
  const Clock& clock_;
  const std::function<void()> on_change_;
  int demands_ = 0;
  int left_ = 0;  // The number of living Left objects.
  std::optional<policy::RateBucket> bucket_;
  Handle pause_;   // While set, the rate is used up.
  Handle change_;  // The timer that will call on_change_().
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_BACKGROUND_H_
