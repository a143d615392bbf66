// SPDX-License-Identifier: Apache-2.0
//
// The one rate limit, shared by the blobs of all registries. The limit may change or be lifted at
// any time, and a new limit applies at once to transfers under way. Each transfer has a Share.
// Shares with a piece to take wait in one queue and take turns; a Share without a piece doesn't
// slow down other Shares. Small requests count against the limit, but never wait. Loop thread only.
//
// Invariants: a Share is in the queue at most once; shares_ counts the Shares; all Shares are
// destroyed before the RateLimit.

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
  // One transfer's part in the limit. The destructor takes the Share out of the queue.
  class Share {
   public:
    Share(RateLimit& limit, std::function<void()> on_turn);
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;
    ~Share();

    // Whether a piece of `bytes` may be taken now. If not, `on_turn` is called at a later turn of
    // the loop. The limit has then counted the piece, and the caller must call take() again. take()
    // must not be called between `false` and `on_turn`. `on_turn` must not destroy the Share.
    bool take(std::uint64_t bytes);

   private:
    friend class RateLimit;
    RateLimit& limit_;
    std::function<void()> on_turn_;
    std::uint64_t wanted_bytes_ = 0;
    std::uint64_t paid_bytes_ = 0;
  };

  // `max_rate` is in bytes a second; 0 for no limit.
  RateLimit(event::Loop& loop, std::uint64_t max_rate);
  ~RateLimit();
  RateLimit(const RateLimit&) = delete;
  RateLimit& operator=(const RateLimit&) = delete;

  // Changes the limit. Shares that wait get their turns by the new limit.
  void set_max_rate(std::uint64_t max_rate);
  bool limited() const { return bucket_.has_value(); }

  std::unique_ptr<Share> share(std::function<void()> on_turn);
  // Counts bytes against the limit without a wait.
  void count(std::uint64_t bytes);

 private:
  std::chrono::nanoseconds wait() const;
  bool may_go() const { return wait().count() == 0; }
  void wake();
  void give_turns();

  const SystemClock clock_;                   // Real time, like the loop's alarms.
  std::optional<policy::RateBucket> bucket_;  // nullopt for no limit.
  std::size_t shares_ = 0;
  std::list<Share*> queue_;
  std::unique_ptr<event::Alarm> alarm_;
};

}  // namespace layby::upstream

#endif  // LAYBY_UPSTREAM_RATE_LIMIT_H_
