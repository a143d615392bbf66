// SPDX-License-Identifier: Apache-2.0
//
// Time alone decides when a waiter's turn comes, and when the turn would come too late. So one
// timer is enough for the whole line.

#include "cache/turns.h"

#include <algorithm>
#include <cassert>
#include <limits>

namespace layby::cache {

using std::chrono::milliseconds;

Turns::Turn Turns::turn_for(const IpAddress& client, bool is_first_step, Look& look) const {
  const auto [at, is_new] = look.try_emplace({client, is_first_step});
  if (is_new) {
    const SteadyTime now = clock_.steady_now();
    const bool is_box = client == IpAddress();
    const auto sent = is_box ? std::numeric_limits<std::size_t>::max() : log_.sent_by(client, now);
    at->second = {log_.wait_of(client, is_first_step, now), sent, client};
  }
  return at->second;
}

// A request that several clients wait for counts for the client whose turn comes first.
Turns::Turn Turns::turn_of(const Waiter& waiter, Look& look) const {
  const auto clients = waiter.turn_clients();
  if (clients.empty()) return turn_for({}, waiter.is_first_step_, look);
  Turn best = turn_for(clients.front(), waiter.is_first_step_, look);
  for (const IpAddress& client : clients) {
    const Turn turn = turn_for(client, waiter.is_first_step_, look);
    if (std::pair(turn.wait, turn.sent) < std::pair(best.wait, best.sent)) best = turn;
  }
  return best;
}

void Turns::join(Waiter& waiter) {
  assert(!has(waiter));
  Look look;
  const Turn turn = turn_of(waiter, look);
  if (turn.wait.count() == 0) return go(waiter, turn.client);
  line_.push_back(&waiter);
  arm();
}

std::optional<IpAddress> Turns::take_free(const Waiter& waiter) {
  assert(!has(waiter));
  Look look;
  const Turn turn = turn_of(waiter, look);
  if (turn.wait.count() > 0) return std::nullopt;
  log_.note(clock_.steady_now(), turn.client);
  return turn.client;
}

void Turns::go(Waiter& waiter, const IpAddress& client) {
  if (waiter.on_turn(client)) log_.note(clock_.steady_now(), client);
}

void Turns::drain() {
  log_.drain(clock_.steady_now());
  arm();
}

// Many clients may join in one turn of the loop, so the line is served once, in the next turn.
void Turns::look_again() {
  if (line_.empty() || look_) return;
  look_ = timers_.after(milliseconds(0), [this] {
    look_.reset();
    serve();
  });
}

void Turns::serve() {
  while (serve_next()) {
  }
  while (refuse_next()) {
  }
  arm();
}

bool Turns::serve_next() {
  Waiter* next = nullptr;
  Turn best{};
  Look look;
  for (Waiter* waiter : line_) {
    const Turn turn = turn_of(*waiter, look);
    if (turn.wait.count() > 0 || is_too_late(*waiter, turn.wait)) continue;
    if (next != nullptr && best.sent <= turn.sent) continue;
    next = waiter;
    best = turn;
  }
  if (next == nullptr) return false;
  leave(*next);
  go(*next, best.client);
  return true;
}

bool Turns::refuse_next() {
  Look look;
  for (Waiter* waiter : line_) {
    const milliseconds wait = turn_of(*waiter, look).wait;
    if (!is_too_late(*waiter, wait)) continue;
    leave(*waiter);
    waiter->on_no_turn(wait);
    return true;
  }
  return false;
}

// The timer serves the line when the first waiter may go, or at once if a turn would come too late.
void Turns::arm() {
  timer_.reset();
  std::optional<milliseconds> soonest;
  Look look;
  for (const Waiter* waiter : line_) {
    const milliseconds wait = turn_of(*waiter, look).wait;
    const milliseconds due = is_too_late(*waiter, wait) ? milliseconds(0) : wait;
    soonest = std::min(soonest.value_or(due), due);
  }
  if (soonest) timer_ = timers_.after(*soonest, [this] { serve(); });
}

}  // namespace layby::cache
