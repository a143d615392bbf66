// SPDX-License-Identifier: Apache-2.0
//
// Records of events on the disk, for the next process: two files of JSON lines, of which
// the newer grows and the older is replaced, so that the journal has a bound and each
// record is written once. src/store/FORMAT.md says how they are read. Records reach the
// disk in batches; a power cut loses those of the last minute, a clean stop none. Lives
// on the loop thread; the files are the helpers'.

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

  // Reads the journal of `data_dir`, oldest record first. Waits for the disk alone; for
  // start-up. What can't be read, or is no regular file, is left out.
  static std::vector<events::Record> read(const std::string& data_dir);

  // `max_file_bytes` is for each of the two files.
  EventJournal(const std::string& data_dir, event::Loop& loop, event::Workers& workers,
               std::uint64_t max_file_bytes = kMaxFileBytes);
  // Writes what is left. The workers do so before they end.
  ~EventJournal();

  // Writes the record within a minute.
  void append(const events::Record& record);

  EventJournal(const EventJournal&) = delete;
  EventJournal& operator=(const EventJournal&) = delete;

 private:
  struct Files;

  void write();

  const std::shared_ptr<Files> files_;  // For the helpers alone.
  event::Loop& loop_;
  event::Lane lane_;
  std::string lines_;  // Not handed to the helpers yet.
  Handle timer_;
};

}  // namespace layby::store

#endif  // LAYBY_STORE_EVENT_JOURNAL_H_
