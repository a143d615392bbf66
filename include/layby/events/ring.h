// SPDX-License-Identifier: Apache-2.0
//
// Keeps the latest records in memory, oldest first, kMostRecords at most. A reader passes the
// last number that it has seen and gets the newer records. Lives on the loop thread.

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

  // Takes the records of an earlier process, oldest first. Called before the first event.
  void restore(std::vector<Record> records);

  // A listener for Events: records the events that are kept.
  void on_event(const Event& event);

  // Records with a number above `after`, oldest first.
  std::vector<Record> newer_than(std::uint64_t after) const;

  // The highest number given out so far; 0 before the first record.
  std::uint64_t last_number() const { return last_number_; }

  // `call` runs with each new record. Replaces an earlier `call`; an empty `call` ends the calls.
  void on_recorded(std::function<void(const Record&)> call) { on_recorded_ = std::move(call); }

 private:
  const Clock& clock_;
  std::deque<Record> records_;  // Numbers rise from each record to the next.
  std::uint64_t last_number_ = 0;
  std::function<void(const Record&)> on_recorded_;
};

}  // namespace layby::events

#endif  // LAYBY_EVENTS_RING_H_
