// SPDX-License-Identifier: Apache-2.0
//
// Finds a client that takes no byte of its answer for stall_timeout. Only a full socket is the
// client's fault, so an answer that waits for something else doesn't count as stalled. Lives on the
// loop thread.

#ifndef LAYBY_SERVER_STALL_CHECK_H_
#define LAYBY_SERVER_STALL_CHECK_H_

#include <chrono>
#include <cstdint>

namespace layby::server {

class StallCheck {
 public:
  static std::chrono::milliseconds time_to_next(std::chrono::milliseconds stall_timeout) {
    return stall_timeout / kLooks;
  }

  // Begins the check of an answer. The socket has taken `sent_bytes` bytes before the answer.
  void begin(std::uint64_t sent_bytes) {
    sent_bytes_ = sent_bytes;
    still_looks_ = 0;
  }
  // Looks once. Returns true when the client has taken no byte in the last kLooks looks.
  // `waits_for_socket`: the answer waits for room in the socket.
  bool look(bool waits_for_socket, std::uint64_t sent_bytes) {
    const bool moving = !waits_for_socket || sent_bytes != sent_bytes_;
    sent_bytes_ = sent_bytes;
    still_looks_ = moving ? 0 : still_looks_ + 1;
    return still_looks_ >= kLooks;
  }

 private:
  // The number of looks within stall_timeout.
  static constexpr int kLooks = 4;

  std::uint64_t sent_bytes_ = 0;  // At the last look.
  int still_looks_ = 0;           // The looks in a row at which the client had taken no byte.
};

}  // namespace layby::server

#endif  // LAYBY_SERVER_STALL_CHECK_H_
