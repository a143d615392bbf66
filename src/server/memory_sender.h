// SPDX-License-Identifier: Apache-2.0
//
// Sends the part of an answer that is in memory: the head, and a text body if the answer has one.
// Lives on the loop thread.

#ifndef LAYBY_SERVER_MEMORY_SENDER_H_
#define LAYBY_SERVER_MEMORY_SENDER_H_

#include <cstdint>
#include <string_view>

#include "server/client_socket.h"
#include "server/send_outcome.h"

namespace layby::server {

class MemorySender {
 public:
  bool has_begun() const { return sent_bytes_ > 0; }
  // Goes on where the last call ended, so each call must get the same `head` and `text`. With
  // `more`, the bytes go out together with the bytes of the next ClientSocket::send_file().
  SendOutcome send(ClientSocket& socket, std::string_view head, std::string_view text, bool more);

 private:
  std::uint64_t sent_bytes_ = 0;  // The sent bytes of head and text together.
};

}  // namespace layby::server

#endif  // LAYBY_SERVER_MEMORY_SENDER_H_
