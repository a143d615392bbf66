// SPDX-License-Identifier: Apache-2.0
//
// Decides how large the send buffer of a client's socket is. A client near by gets a small buffer,
// because bytes that stay in the processor's caches are sent faster. A client far away needs room
// for all bytes that are under way to it. While other programs keep the processor busy, a client
// near by also needs a large buffer, because a process that waits for the processor can't refill
// the buffer. The kernel grows a buffer by itself as the congestion window grows, but only up to
// the size that the administrator set for all programs. A buffer beyond this size comes from a
// budget that all connections share. Sizes are those of SO_SNDBUF, which the kernel doubles to have
// room for its own data.

#ifndef LAYBY_POLICY_SEND_BUFFER_H_
#define LAYBY_POLICY_SEND_BUFFER_H_

#include <chrono>
#include <cstdint>

namespace layby::policy {

// Enough for 1 Gbit/s to a client 3 ms away.
inline constexpr std::uint64_t kNearSendBufferBytes = 256 << 10;
// The size up to which the kernel grows a buffer with the usual net.ipv4.tcp_wmem of 4 MB.
inline constexpr std::uint64_t kKernelSendBufferBytes = 2 << 20;
// Enough for 1 Gbit/s to a client 85 ms away.
inline constexpr std::uint64_t kMostSendBufferBytes = 8 << 20;
// The buffers beyond the kernel's own growth have this size together at most.
inline constexpr std::uint64_t kSendBudgetBytes = 64 << 20;

// What TCP has learned about the path to a client.
struct TcpPath {
  std::chrono::microseconds least_round_trip{};
  std::uint64_t window_bytes = 0;  // The congestion window.

  // Within one machine a round trip takes less than 0.1 ms, and on a LAN with cables less than
  // 0.5 ms.
  bool is_far() const { return least_round_trip >= std::chrono::microseconds(500); }
};

class SendBudget {
 public:
  // `most_bytes` is the largest buffer that the kernel gives to this process (net.core.wmem_max).
  explicit SendBudget(std::uint64_t most_bytes);

  // Grows the buffer of a far client to the size of the congestion window. `held_bytes` is what the
  // last grow() for this client returned, at first 0. Returns the new size. 0 means that the
  // kernel's own growth is enough, or that the budget has no room for a larger buffer. The buffer
  // never shrinks.
  std::uint64_t grow(std::uint64_t held_bytes, const TcpPath& path);
  // Takes back a buffer that grow() gave.
  void give_back(std::uint64_t held_bytes);

  std::uint64_t left_bytes() const { return left_bytes_; }

 private:
  const std::uint64_t most_bytes_;
  std::uint64_t left_bytes_ = kSendBudgetBytes;
};

// Finds out whether this process mostly comes too late to refill a send buffer.
class Lateness {
 public:
  // The buffer was full, and has room again. The process could go on after `waited`. If the buffer
  // `ran_empty`, the client waited too. Returns whether the process is mostly late.
  bool note(std::chrono::nanoseconds waited, bool ran_empty);

  // A shorter wait is no lateness, even if the buffer ran empty.
  static constexpr std::chrono::milliseconds kLate{1};

 private:
  int late_ = 0;  // How many more waits were late than in time, at least 0.
};

}  // namespace layby::policy

#endif  // LAYBY_POLICY_SEND_BUFFER_H_
