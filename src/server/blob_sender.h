// SPDX-License-Identifier: Apache-2.0
//
// Sends the body of one blob answer by sendfile. Sends only bytes that have arrived, are in the
// page cache, and find room in the socket. Lives on the loop thread.

#ifndef LAYBY_SERVER_BLOB_SENDER_H_
#define LAYBY_SERVER_BLOB_SENDER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "layby/server/http_server.h"
#include "server/client_socket.h"
#include "server/cold_read.h"
#include "server/send_outcome.h"
#include "server/send_window.h"

namespace layby::server {

class BlobSender {
 public:
  // The referenced objects outlive the sender.
  struct Context {
    const HttpServer::Context& server;
    ClientSocket& socket;
    const std::string& client_address;  // For the log.
    int& long_blobs;  // The number of whole blobs under way that need more than one turn.
    policy::SendBudget* budget;  // Null if the socket's send buffer has a fixed size.
  };

  // `body` outlives the sender. `on_warm` is called when send() can go on after a wait for the
  // disk, and may destroy the sender.
  BlobSender(const Context& context, BlobBody& body, std::function<void()> on_warm);
  ~BlobSender();

  // Whether the next byte has arrived and is in the page cache.
  bool has_bytes() { return sendable_bytes(kTurnBytes) > 0; }
  // Sends what can be sent now.
  SendOutcome send();

  BlobSender(const BlobSender&) = delete;
  BlobSender& operator=(const BlobSender&) = delete;

 private:
  std::uint64_t end() const { return body_.range.first + body_.range.length; }
  // How many bytes of the blob can go out now; 0 while the next bytes are missing or cold.
  std::uint64_t sendable_bytes(std::uint64_t budget_bytes);
  // Sends at most `length` bytes, and subtracts the number of sent bytes from `budget_bytes`.
  SendOutcome send_some(std::uint64_t length, std::uint64_t& budget_bytes);
  // Corks the socket for a whole blob that takes several turns, unless corking would be slower.
  void cork_if_long();

  const Context context_;
  BlobBody& body_;
  std::uint64_t at_;  // The offset in the blob of the next byte to send.
  ColdRead cold_read_;
  std::optional<SendWindow> window_;
  bool is_long_ = false;  // Counted in long_blobs.
  bool corked_ = false;
};

}  // namespace layby::server

#endif  // LAYBY_SERVER_BLOB_SENDER_H_
