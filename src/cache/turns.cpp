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
  if (turn.wait.count() == 0) {
    look_again();  // The request lengthens the waits of others, which may be too long now.
    return go(waiter, turn.client);
  }
  line_.push_back(&waiter);
  arm_within(due(waiter, turn.wait));  // The turns of all others stay as they are.
}

std::optional<IpAddress> Turns::take_free(const Waiter& waiter) {
  assert(!has(waiter));
  Look look;
  const Turn turn = turn_of(waiter, look);
  if (turn.wait.count() > 0) return std::nullopt;
  look_again();
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
  while (refuse_late()) {
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

// Returns whether a waiter was refused. on_no_turn() may change the line in any way, so a pass may
// miss a waiter, and a further pass finds it.
bool Turns::refuse_late() {
  bool refused = false;
  Look look;
  for (std::size_t at = 0; at < line_.size();) {
    Waiter& waiter = *line_[at];
    const milliseconds wait = turn_of(waiter, look).wait;
    if (!is_too_late(waiter, wait)) {
      ++at;
      continue;
    }
    leave(waiter);
    waiter.on_no_turn(wait);
    refused = true;
  }
  return refused;
}

// A waiter is due when it may go, or at once if its turn would come too late.
milliseconds Turns::due(const Waiter& waiter, milliseconds wait) const {
  return is_too_late(waiter, wait) ? milliseconds(0) : wait;
}

void Turns::arm() {
  timer_.reset();
  std::optional<milliseconds> soonest;
  Look look;
  for (const Waiter* waiter : line_) {
    const milliseconds at = due(*waiter, turn_of(*waiter, look).wait);
    soonest = std::min(soonest.value_or(at), at);
  }
  if (soonest) arm_within(*soonest);
}

void Turns::arm_within(milliseconds wait) {
  const SteadyTime at = clock_.steady_now() + wait;
  if (timer_ && timer_due_ <= at) return;
  timer_due_ = at;
  timer_ = timers_.after(wait, [this] {
    timer_.reset();
    serve();
  });
}

}  // namespace layby::cache
