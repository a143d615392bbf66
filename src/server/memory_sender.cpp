// SPDX-License-Identifier: Apache-2.0

#include "server/memory_sender.h"

#include <algorithm>
#include <cassert>

namespace layby::server {

SendOutcome MemorySender::send(ClientSocket& socket, std::string_view head, std::string_view text,
                               bool more) {
  const std::uint64_t size = head.size() + text.size();
  assert(sent_bytes_ <= size);
  while (sent_bytes_ < size) {
    const std::string_view rest_of_head =
        head.substr(std::min<std::uint64_t>(sent_bytes_, head.size()));
    const std::string_view rest =
        text.substr(sent_bytes_ > head.size() ? sent_bytes_ - head.size() : 0);
    const ssize_t n = socket.send(rest_of_head, rest, more);
    if (n < 0) return outcome_of_failed_send();
    sent_bytes_ += static_cast<std::uint64_t>(n);
    assert(sent_bytes_ <= size);
  }
  return SendOutcome::kOut;
}

}  // namespace layby::server
