// SPDX-License-Identifier: Apache-2.0
//
// statvfs waits for the disk on some file systems, so helper threads call it.

#include "store/disk_space.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <utility>

namespace layby::store {
namespace {

constexpr std::chrono::seconds kFreshFor{2};

}  // namespace

struct DiskSpace::Answer {
  bool known = false;
  Space space;
  std::uint64_t written_before = 0;

  // The counter is read before statvfs, so bytes written in between may be subtracted twice: too
  // little reported room is better than too much.
  static Answer ask(const std::string& path, const Counters& counters) {
    const std::uint64_t written = counters.store_bytes_written;
    struct statvfs info {};
    if (::statvfs(path.c_str(), &info) != 0) return {};
    return {true,
            {std::uint64_t{info.f_bavail} * info.f_frsize,
             std::uint64_t{info.f_blocks} * info.f_frsize},
            written};
  }
};

DiskSpace::DiskSpace(std::string path, event::Loop& loop, event::Workers& workers,
                     const Clock& clock, const Counters& counters)
    : path_(std::move(path)),
      loop_(loop),
      workers_(workers),
      clock_(clock),
      counters_(counters),
      asked_at_(clock.steady_now()) {
  take(Answer::ask(path_, counters_));
}

Space DiskSpace::get() {
  if (!asking_ && clock_.steady_now() - asked_at_ >= kFreshFor) ask_again();
  assert(counters_.store_bytes_written >= written_before_);
  Space now = space_;
  now.free_bytes -= std::min(now.free_bytes, counters_.store_bytes_written - written_before_);
  return now;
}

void DiskSpace::ask_again() {
  assert(!asking_);
  asking_ = true;
  refresh([this] { asking_ = false; });
}

void DiskSpace::refresh(std::function<void()> then) {
  auto report = life_.guard([this, then = std::move(then)](const Answer& answer) {
    take(answer);
    then();
  });
  workers_.submit(
      [path = path_, &loop = loop_, &counters = counters_, report = std::move(report)]() mutable {
        // Moved, not copied: the objects that `then` holds must be destroyed on the loop thread.
        loop.post([answer = Answer::ask(path, counters), report = std::move(report)]() mutable {
          report(answer);
        });
      });
}

void DiskSpace::take(const Answer& answer) {
  asked_at_ = clock_.steady_now();
  if (!answer.known) return;
  space_ = answer.space;
  written_before_ = answer.written_before;
}

}  // namespace layby::store
