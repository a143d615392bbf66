// SPDX-License-Identifier: Apache-2.0
//
// The latest records, a bounded number of them, oldest first. A reader asks for what is
// newer than the last number it has seen. Lives on the loop thread.

#ifndef LAYBY_EVENTS_RING_H_
#define LAYBY_EVENTS_RING_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "layby/base/async.h"
#include "layby/base/clock.h"
#include "layby/events/record.h"

namespace layby::events {

class Ring {
 public:
  static constexpr std::size_t kMostRecords = 1'000;

  explicit Ring(const Clock& clock) : clock_(clock) {}

  // The records of an earlier process, oldest first. Call it before the first event.
  void restore(std::vector<Record> records);

  // A listener for Events: records the events that are kept.
  void on_event(const Event& event);

  // Records with a number above `after`, oldest first.
  std::vector<Record> newer_than(std::uint64_t after) const;

  // Number of the newest record; 0 before the first.
  std::uint64_t last_number() const { return last_number_; }

  // `call` runs after each new record, with it. One at most; empty to end it.
  void on_recorded(std::function<void(const Record&)> call) { on_recorded_ = std::move(call); }

 private:
  const Clock& clock_;
  std::deque<Record> records_;  // Numbers rise from each to the next.
  std::uint64_t last_number_ = 0;
  std::function<void(const Record&)> on_recorded_;
};

}  // namespace layby::events

#endif  // LAYBY_EVENTS_RING_H_
