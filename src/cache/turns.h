// SPDX-License-Identifier: Apache-2.0
//
// The line of requests that wait for their turn within the limit of the minute. When a request may
// go, the client with the fewest requests in the last minute comes first, and the box's own
// requests come last. A request whose turn would come too late hears so at once. Lives on the loop
// thread. Invariants: right after the line is served, no waiter in the line may go; each waiter is
// called once.

#ifndef LAYBY_CACHE_TURNS_H_
#define LAYBY_CACHE_TURNS_H_

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "layby/base/async.h"
#include "layby/base/clock.h"
#include "layby/base/ip_address.h"
#include "layby/policy/request_log.h"

namespace layby::cache {

class Turns {
 public:
  // A request that needs a turn. A destroyed waiter leaves the line.
  class Waiter {
   public:
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;

   protected:
    Waiter(Turns& turns, bool is_first_step) : turns_(turns), is_first_step_(is_first_step) {}
    ~Waiter() { leave_line(); }

    // Calls on_turn() at once if a turn is free, else on_turn() or on_no_turn() later. The request
    // isn't sent at the time `latest` or later. Called only while the waiter isn't in the line.
    void take_turn(SteadyTime latest) {
      latest_ = latest;
      turns_.join(*this);
    }
    bool is_in_line() const { return turns_.has(*this); }
    void leave_line() { turns_.leave(*this); }
    // Takes a further turn if a turn is free. Returns whose turn it is; nullopt if no turn is free.
    // Called after on_turn().
    std::optional<IpAddress> take_free_turn() { return turns_.take_free(*this); }

   private:
    friend class Turns;
    // The clients that wait for the request; none for the box's own request.
    virtual std::vector<IpAddress> turn_clients() const = 0;
    // The request may go now, in the turn of `client`; zeros for the box itself. Returns whether
    // the request is sent. Only a sent request counts.
    virtual bool on_turn(const IpAddress& client) = 0;
    // The turn would come after `wait`, which is too late. May destroy the waiter.
    virtual void on_no_turn(std::chrono::milliseconds wait) = 0;

    Turns& turns_;
    const bool is_first_step_;
    SteadyTime latest_{};
  };

  Turns(int per_minute, Timers& timers, const Clock& clock)
      : timers_(timers), clock_(clock), log_(per_minute) {}

  std::chrono::milliseconds background_wait() const {
    return log_.background_wait(clock_.steady_now());
  }
  // Uses up all turns of this minute.
  void drain();
  // Looks at the line in the next turn of the loop. Called when a waiter may have got more clients.
  void look_again();

 private:
  // When a waiter may go, and for which of its clients.
  struct Turn {
    std::chrono::milliseconds wait;
    std::size_t sent;
    IpAddress client;
  };

  void join(Waiter& waiter);
  std::optional<IpAddress> take_free(const Waiter& waiter);
  bool has(const Waiter& waiter) const {
    return std::find(line_.begin(), line_.end(), &waiter) != line_.end();
  }
  void leave(Waiter& waiter) { std::erase(line_, &waiter); }
  void serve();
  bool serve_next();
  bool refuse_late();
  void go(Waiter& waiter, const IpAddress& client);
  std::chrono::milliseconds due(const Waiter& waiter, std::chrono::milliseconds wait) const;
  void arm();
  void arm_within(std::chrono::milliseconds wait);
  // The turns of clients at one moment; the bool says whether the request is a first step. A
  // hostile client may have many requests in the line, so a Look counts the requests that the
  // client has sent only once.
  using Look = std::map<std::pair<IpAddress, bool>, Turn>;
  Turn turn_for(const IpAddress& client, bool is_first_step, Look& look) const;
  Turn turn_of(const Waiter& waiter, Look& look) const;
  bool is_too_late(const Waiter& waiter, std::chrono::milliseconds wait) const {
    return clock_.steady_now() + wait >= waiter.latest_;
  }

  Timers& timers_;
  const Clock& clock_;
  policy::RequestLog log_;
  std::vector<Waiter*> line_;  // In the order of asking.
  Handle timer_;               // The next serve().
  SteadyTime timer_due_{};     // When timer_ comes.
  Handle look_;                // The serve() of look_again().
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_TURNS_H_
