// SPDX-License-Identifier: Apache-2.0
//
// Invariants: `waiting` has at most max_bytes. `unwritten_bytes` is the size of `waiting` plus the
// size of the batch that the thread writes. The thread is never joined, because write(2) to a pipe
// that nobody reads doesn't return. The thread uses only the state, which it owns together with the
// LogQueue.

#include "base/log_queue.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <ctime>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

namespace layby::log {
namespace {

std::uint64_t lines_in(std::string_view text) {
  return static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

std::string dropped_note(std::uint64_t lines) {
  return fmt::format(
      "{:%Y-%m-%dT%H:%M:%S}.000Z warn {} lines of the log are missing here, because nobody read "
      "stderr; see log.dropped_lines in /stats\n",
      fmt::gmtime(std::time(nullptr)), lines);
}

// Writes `text`, and waits while the descriptor takes no bytes. Returns the part that could not be
// written.
std::string_view write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {  // Another process has made the pipe non-blocking.
      pollfd ready{fd, POLLOUT, 0};
      ::poll(&ready, 1, -1);
    } else if (errno != EINTR) {
      return text;
    }
  }
  return text;
}

}  // namespace

struct LogQueue::State {
  State(int descriptor, std::size_t bytes) : fd(descriptor), max_bytes(bytes) {}

  const int fd;
  const std::size_t max_bytes;
  std::atomic<std::size_t> unwritten_bytes = 0;
  std::atomic<std::uint64_t> dropped = 0;
  std::mutex mutex;
  std::condition_variable wake;
  std::condition_variable written;
  std::string waiting;             // Guarded by mutex.
  std::uint64_t told_dropped = 0;  // Guarded by mutex. Dropped lines that notes reported.
  bool closing = false;            // Guarded by mutex.

  // Waits for lines and returns them, with a note if lines are missing; "" when the LogQueue is
  // gone.
  std::string take() {
    std::unique_lock lock(mutex);
    wake.wait(lock, [this] { return closing || !waiting.empty(); });
    std::string batch = std::exchange(waiting, {});
    if (batch.empty() || dropped == told_dropped) return batch;
    const std::string note = dropped_note(dropped - std::exchange(told_dropped, dropped.load()));
    unwritten_bytes += note.size();
    return batch + note;
  }

  void run() {
    for (std::string batch = take(); !batch.empty(); batch = take()) {
      dropped += lines_in(write_all(fd, batch));
      const std::lock_guard lock(mutex);
      assert(unwritten_bytes >= batch.size());
      unwritten_bytes -= batch.size();
      if (unwritten_bytes == 0) written.notify_all();
    }
  }
};

LogQueue::LogQueue(int fd, std::size_t max_bytes) : state_(std::make_shared<State>(fd, max_bytes)) {
  // The thread starts with all signals blocked. So other threads handle the signals, and a write to
  // a closed pipe returns EPIPE.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread([state = state_] { state->run(); }).detach();
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

LogQueue::~LogQueue() {
  const std::lock_guard lock(state_->mutex);
  state_->closing = true;
  state_->wake.notify_one();
}

void LogQueue::push(std::string_view line) {
  assert(line.ends_with('\n'));
  const std::lock_guard lock(state_->mutex);
  if (line.size() > state_->max_bytes - state_->waiting.size()) {
    ++state_->dropped;
    return;
  }
  state_->waiting += line;
  state_->unwritten_bytes += line.size();
  assert(state_->waiting.size() <= state_->max_bytes);
  state_->wake.notify_one();
}

bool LogQueue::flush(std::chrono::milliseconds longest) {
  std::unique_lock lock(state_->mutex);
  return state_->written.wait_for(lock, longest, [this] { return state_->unwritten_bytes == 0; });
}

void LogQueue::flush_in_crash(std::chrono::milliseconds longest) const {
  for (auto left = longest.count(); left > 0 && state_->unwritten_bytes > 0; --left) {
    ::poll(nullptr, 0, 1);
  }
}

std::uint64_t LogQueue::dropped_lines() const { return state_->dropped; }

}  // namespace layby::log
