// SPDX-License-Identifier: Apache-2.0
//
// A bounded buffer of log lines before a descriptor, which a thread of its own empties. push()
// never waits for the descriptor, so a pipe that nobody reads stops only that thread. A line that
// doesn't fit is dropped and counted; when the descriptor takes bytes again, a line of the log says
// how many lines are missing. Any thread may use a LogQueue.

#ifndef LAYBY_SRC_BASE_LOG_QUEUE_H_
#define LAYBY_SRC_BASE_LOG_QUEUE_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace layby::log {

class LogQueue {
 public:
  // Writes to `fd`, which the LogQueue doesn't own. At most `max_bytes` wait in the buffer, and as
  // many more are being written.
  LogQueue(int fd, std::size_t max_bytes);
  // Doesn't wait. The thread ends when it has written the lines that are left.
  ~LogQueue();
  LogQueue(const LogQueue&) = delete;
  LogQueue& operator=(const LogQueue&) = delete;

  // `line` ends with a line break.
  void push(std::string_view line);

  // Waits until all lines are written, for at most `longest`. Returns whether they are.
  bool flush(std::chrono::milliseconds longest);

  // The same for a signal handler: only calls that are safe there (signal-safety(7)).
  void flush_in_crash(std::chrono::milliseconds longest) const;

  // All lines that were dropped so far.
  std::uint64_t dropped_lines() const;

 private:
  struct State;

  // The thread owns the state too, because it may still write when the LogQueue is gone.
  const std::shared_ptr<State> state_;
};

}  // namespace layby::log

#endif  // LAYBY_SRC_BASE_LOG_QUEUE_H_
