// SPDX-License-Identifier: Apache-2.0
//
// The journal keeps records of events on the disk for the next process. It has two files of JSON
// lines. Records are appended to the newer file; a full newer file replaces the older file, so the
// journal's size is bounded. src/store/FORMAT.md specifies the files. Records reach the disk in
// batches: a power cut loses the records of the last minute, and a clean stop loses none. An
// EventJournal lives on the loop thread; helper threads write the files.

#ifndef LAYBY_STORE_EVENT_JOURNAL_H_
#define LAYBY_STORE_EVENT_JOURNAL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "layby/base/async.h"
#include "layby/event/loop.h"
#include "layby/event/workers.h"
#include "layby/events/record.h"

namespace layby::store {

class EventJournal {
 public:
  static constexpr std::uint64_t kMaxFileBytes = 128 << 10;

  // Returns the records in the journal of `data_dir`, oldest first. Blocks, so it is for start-up
  // only. Skips lines that are no records, and files that can't be read, are too large or aren't
  // regular files.
  static std::vector<events::Record> read(const std::string& data_dir);

  // `max_file_bytes` limits each of the two files.
  EventJournal(const std::string& data_dir, event::Loop& loop, event::Workers& workers,
               std::uint64_t max_file_bytes = kMaxFileBytes);
  // Queues the records that aren't written yet. The workers write these records before the workers
  // end.
  ~EventJournal();

  // Writes the record within a minute.
  void append(const events::Record& record);

  EventJournal(const EventJournal&) = delete;
  EventJournal& operator=(const EventJournal&) = delete;

 private:
  struct Files;

  void write();

  const std::shared_ptr<Files> files_;  // Used by helper threads only.
  event::Loop& loop_;
  event::Lane lane_;
  std::string lines_;  // The next batch, not yet given to a helper thread.
  Handle timer_;
};

}  // namespace layby::store

#endif  // LAYBY_STORE_EVENT_JOURNAL_H_
