// SPDX-License-Identifier: Apache-2.0
//
// How much room the disk has: an answer of the file system that is at most a few seconds
// old, minus the bytes written since. get() never waits; when the answer is old, a helper
// thread asks the file system again. Loop thread.

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
  // Asks the file system and waits for the answer. The loop and the workers outlive this.
  DiskSpace(std::string path, event::Loop& loop, event::Workers& workers, const Clock& clock,
            const Counters& counters);
  Space get();
  // Asks the file system now; calls `then` on the loop when get() returns the answer.
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
  std::uint64_t written_before_ = 0;  // The bytes written when space_ was asked for.
  SteadyTime asked_at_;
  bool asking_ = false;
  Lifetime life_;
};

}  // namespace layby::store

#endif  // LAYBY_STORE_DISK_SPACE_H_
