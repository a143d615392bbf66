// SPDX-License-Identifier: Apache-2.0

#include "layby/policy/send_buffer.h"

#include <algorithm>
#include <cassert>

namespace layby::policy {

SendBudget::SendBudget(std::uint64_t most_bytes)
    : most_bytes_(std::min(most_bytes, kMostSendBufferBytes)) {}

std::uint64_t SendBudget::grow(std::uint64_t held_bytes, const TcpPath& path) {
  assert(held_bytes == 0 || held_bytes > kKernelSendBufferBytes);
  const std::uint64_t wanted = std::min({path.window_bytes, most_bytes_, held_bytes + left_bytes_});
  if (wanted <= std::max(held_bytes, kKernelSendBufferBytes)) return held_bytes;
  left_bytes_ -= wanted - held_bytes;
  return wanted;
}

void SendBudget::give_back(std::uint64_t held_bytes) {
  left_bytes_ += held_bytes;
  assert(left_bytes_ <= kSendBudgetBytes);
}

bool Lateness::note(std::chrono::nanoseconds waited, bool ran_empty) {
  constexpr int kMostly = 4;
  late_ = waited >= kLate && ran_empty ? late_ + 1 : std::max(late_ - 1, 0);
  return late_ >= kMostly;
}

}  // namespace layby::policy
