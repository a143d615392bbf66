// SPDX-License-Identifier: Apache-2.0
//
// Invariant: numbers rise by one from each record to the next, so the place of a record
// follows from its number.

#include "layby/events/ring.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace layby::events {

void Ring::restore(std::vector<Record> records) {
  assert(records_.empty() && last_number_ == 0 && "an earlier process ended before this one");
  for (Record& record : records) {
    // A gap means that records before it were lost. The newer ones count.
    if (!records_.empty() && record.number != records_.back().number + 1) records_.clear();
    records_.push_back(std::move(record));
  }
  while (records_.size() > kMostRecords) records_.pop_front();
  if (!records_.empty()) last_number_ = records_.back().number;
}

void Ring::on_event(const Event& event) {
  if (!is_kept(event)) return;
  records_.push_back(record_of(event, clock_.wall_now()));
  records_.back().number = ++last_number_;
  if (records_.size() > kMostRecords) records_.pop_front();
  assert(records_.front().number + records_.size() == last_number_ + 1);
  if (on_recorded_) on_recorded_(records_.back());
}

std::vector<Record> Ring::newer_than(std::uint64_t after) const {
  if (records_.empty() || after >= last_number_) return {};
  const std::uint64_t first = std::max(after + 1, records_.front().number);
  const auto from = records_.begin() + static_cast<std::ptrdiff_t>(first - records_.front().number);
  return {from, records_.end()};
}

}  // namespace layby::events
