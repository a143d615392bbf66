// SPDX-License-Identifier: Apache-2.0
//
// The one limit on what all blobs together take from the link, over all registries. It
// may change or go at any time, and holds at once for what is under way. Each blob that
// comes has a Share; those that wait for the next piece stand in one queue, so
// that they take turns and whoever has nothing to take costs the others nothing. Small
// requests don't wait, and are counted. Loop thread only.

#ifndef LAYBY_UPSTREAM_RATE_LIMIT_H_
#define LAYBY_UPSTREAM_RATE_LIMIT_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>

#include "layby/base/clock.h"
#include "layby/event/loop.h"
#include "layby/policy/rate.h"

namespace layby::upstream {

class RateLimit {
 public:
  // One that takes part. Its destructor leaves the queue.
  class Share {
   public:
    Share(RateLimit& limit, std::function<void()> on_turn);
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;
    ~Share();

    // Whether a piece may be taken now. If not, `on_turn` is called at a later turn of the
    // loop: the piece is paid for then, and is to be offered again.
    bool take(std::uint64_t bytes);

   private:
    friend class RateLimit;
    RateLimit& limit_;
    std::function<void()> on_turn_;
    std::uint64_t wanted_bytes_ = 0;
    std::uint64_t paid_bytes_ = 0;
  };

  // Bytes a second; 0 for no limit.
  RateLimit(event::Loop& loop, std::uint64_t max_rate);

  // From now on; those that wait are called in its time.
  void set_max_rate(std::uint64_t max_rate);
  bool limited() const { return bucket_.has_value(); }

  std::unique_ptr<Share> share(std::function<void()> on_turn);
  // Of what came and didn't ask.
  void count(std::uint64_t bytes);

 private:
  std::chrono::nanoseconds wait() const;
  bool may_go() const { return wait().count() == 0; }
  void wake();
  void give_turns();

  const SystemClock clock_;                   // Real time, as the loop's alarms are.
  std::optional<policy::RateBucket> bucket_;  // Nothing for no limit.
  std::size_t shares_ = 0;
  std::list<Share*> queue_;
  std::unique_ptr<event::Alarm> alarm_;
};

}  // namespace layby::upstream

#endif  // LAYBY_UPSTREAM_RATE_LIMIT_H_
