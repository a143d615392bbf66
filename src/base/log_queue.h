// SPDX-License-Identifier: Apache-2.0
//
// A bounded buffer of log lines, and a thread that writes the lines to a descriptor. push() never
// waits for the descriptor, so a pipe that nobody reads blocks only this thread. A line that
// doesn't fit into the buffer is dropped and counted. When the descriptor takes bytes again, a line
// of the log says how many lines are missing. Any thread may use a LogQueue.

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
  // Writes to `fd`, which the LogQueue doesn't own. The buffer holds at most `max_bytes`. The batch
  // that the thread writes may have as many bytes again.
  LogQueue(int fd, std::size_t max_bytes);
  // The destructor doesn't wait. The thread ends after it has written the remaining lines.
  ~LogQueue();
  LogQueue(const LogQueue&) = delete;
  LogQueue& operator=(const LogQueue&) = delete;

  // `line` ends with a line break.
  void push(std::string_view line);

  // Waits until all lines are written, but at most for `longest`. Returns whether all lines are
  // written.
  bool flush(std::chrono::milliseconds longest);

  // Like flush(), for a signal handler: makes only calls that are safe in a handler
  // (signal-safety(7)).
  void flush_in_crash(std::chrono::milliseconds longest) const;

  // The number of lines that were dropped so far.
  std::uint64_t dropped_lines() const;

 private:
  struct State;

  // The thread owns the state too, because the thread may still write when the LogQueue is gone.
  const std::shared_ptr<State> state_;
};

}  // namespace layby::log

#endif  // LAYBY_SRC_BASE_LOG_QUEUE_H_
