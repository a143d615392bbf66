// SPDX-License-Identifier: Apache-2.0
//
// Lets the send buffer of a client's socket follow the path to the client, while one long answer
// goes out. The socket has begun with a fixed buffer for a client near by. Lives on the loop
// thread.

#ifndef LAYBY_SERVER_SEND_WINDOW_H_
#define LAYBY_SERVER_SEND_WINDOW_H_

#include <cstdint>
#include <optional>

#include "layby/base/clock.h"
#include "layby/policy/send_buffer.h"

namespace layby::server {

// Reads what TCP knows about the path of `fd` (TCP_INFO). Returns nullopt for a socket that isn't
// TCP, and before the first round trip.
std::optional<policy::TcpPath> tcp_path(int fd);

// The largest SO_SNDBUF that the kernel gives to this process, at most `wanted_bytes`.
std::uint64_t largest_send_buffer(std::uint64_t wanted_bytes);

class SendWindow {
 public:
  using ReadPath = std::optional<policy::TcpPath> (*)(int fd);

  // The clock, the budget and the socket `fd` outlive the window. `read_path` is tcp_path() except
  // in tests.
  SendWindow(int fd, const Clock& clock, policy::SendBudget& budget, ReadPath read_path = tcp_path)
      : fd_(fd), clock_(clock), budget_(budget), read_path_(read_path) {}
  // Gives a grown buffer back to the budget, and makes the buffer of a near client small again.
  ~SendWindow();

  // The socket has taken `sent_bytes` bytes of the answer, and is full.
  void on_full(std::uint64_t sent_bytes);
  // The answer goes on. Call on_room() before each attempt to send.
  void on_room();

  SendWindow(const SendWindow&) = delete;
  SendWindow& operator=(const SendWindow&) = delete;

 private:
  void follow_path(std::uint64_t sent_bytes);
  // Lets the kernel grow the buffer by itself.
  void release();

  const int fd_;
  const Clock& clock_;
  policy::SendBudget& budget_;
  const ReadPath read_path_;
  policy::Lateness lateness_;
  std::optional<SteadyTime> full_since_;
  bool is_far_ = false;
  bool released_ = false;
  std::uint64_t held_bytes_ = 0;    // From the budget.
  std::uint64_t next_look_at_ = 0;  // In bytes of the answer.
};

}  // namespace layby::server

#endif  // LAYBY_SERVER_SEND_WINDOW_H_
