// SPDX-License-Identifier: Apache-2.0
//
// The free space on the disk: the file system's last answer, minus the blob bytes written after it.
// get() never waits: if the last answer is older than two seconds, get() still uses this answer,
// and a helper thread asks the file system again. A DiskSpace lives on the loop thread.

#ifndef LAYBY_STORE_DISK_SPACE_H_
#define LAYBY_STORE_DISK_SPACE_H_

#include <cstdint>
#include <functional>
#include <string>

#include "layby/base/clock.h"
#include "layby/base/counters.h"
#include "layby/base/lifetime.h"
#include "layby/event/loop.h"
#include "layby/event/workers.h"

namespace layby::store {

struct Space {
  std::uint64_t free_bytes = 0;  // Free for a process without privileges.
  std::uint64_t total_bytes = 0;
};

class DiskSpace {
 public:
  // Asks the file system and waits for the answer.
  DiskSpace(std::string path, event::Loop& loop, event::Workers& workers, const Clock& clock,
            const Counters& counters);
  Space get();
  // Asks the file system now. Calls `then` on the loop thread after the answer, or the failure, has
  // come; then get() uses the new answer.
  void refresh(std::function<void()> then);

 private:
  struct Answer;
  void ask_again();
  void take(const Answer& answer);

  const std::string path_;
  event::Loop& loop_;
  event::Workers& workers_;
  const Clock& clock_;
  const Counters& counters_;
  Space space_;
  std::uint64_t written_before_ = 0;  // store_bytes_written when the file system was asked.
  SteadyTime asked_at_;
  bool asking_ = false;
  Lifetime life_;
};

}  // namespace layby::store

#endif  // LAYBY_STORE_DISK_SPACE_H_
