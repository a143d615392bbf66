// SPDX-License-Identifier: Apache-2.0
//
// Invariant: numbers rise from each record to the next. Numbers may be missing where an earlier
// process ended.

#include "layby/events/ring.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace layby::events {
namespace {

// A process that was killed may have given numbers to records that never reached the disk. The
// next process skips this many numbers, so that no number is used twice.
constexpr std::uint64_t kLostAtMost = 1'000'000;

}  // namespace

void Ring::restore(std::vector<Record> records) {
  assert(records_.empty() && last_number_ == 0 && "an earlier process ended before this one");
  for (Record& record : records) {
    // When a number doesn't rise, the records before it are dropped and the later records stay.
    if (!records_.empty() && record.number <= records_.back().number) records_.clear();
    records_.push_back(std::move(record));
  }
  while (records_.size() > kMostRecords) records_.pop_front();
  if (!records_.empty()) last_number_ = records_.back().number + kLostAtMost;
}

void Ring::on_event(const Event& event) {
  if (!is_kept(event)) return;
  records_.push_back(record_of(event, clock_.wall_now()));
  records_.back().number = ++last_number_;
  if (records_.size() > kMostRecords) records_.pop_front();
  assert(records_.front().number < records_.back().number || records_.size() == 1);
  if (on_recorded_) on_recorded_(records_.back());
}

std::vector<Record> Ring::newer_than(std::uint64_t after) const {
  const auto first =
      std::upper_bound(records_.begin(), records_.end(), after,
                       [](std::uint64_t number, const Record& one) { return number < one.number; });
  return {first, records_.end()};
}

}  // namespace layby::events
