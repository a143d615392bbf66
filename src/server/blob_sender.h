// SPDX-License-Identifier: Apache-2.0
//
// Sends the body of one blob answer by sendfile, with the text around the parts if the body has
// several ranges. Sends only bytes that have arrived, are in the page cache, and find room in the
// socket. Lives on the loop thread.

#ifndef LAYBY_SERVER_BLOB_SENDER_H_
#define LAYBY_SERVER_BLOB_SENDER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "layby/server/http_server.h"
#include "server/client_socket.h"
#include "server/cold_read.h"
#include "server/memory_sender.h"
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
    int& long_blobs;                    // The number of long answers under way, see cork_if_long().
    policy::SendBudget* budget;         // Null if the socket's send buffer has a fixed size.
  };

  // `body` outlives the sender. `on_warm` is called when send() can go on after a wait for the
  // disk, and may destroy the sender.
  BlobSender(const Context& context, BlobBody& body, std::function<void()> on_warm);
  ~BlobSender();

  // Whether the next byte has arrived and is in the page cache.
  bool has_bytes() { return sendable_bytes(kTurnBytes) > 0; }
  // The text before the first byte of the blob; empty unless the body has parts. The caller sends
  // this text before it calls send().
  std::string_view first_text() const { return first_text_; }
  // Sends what can be sent now.
  SendOutcome send();

  BlobSender(const BlobSender&) = delete;
  BlobSender& operator=(const BlobSender&) = delete;

 private:
  std::uint64_t span_end() const { return body_.range.first + body_.range.length; }
  // How many bytes of the blob can go out now; 0 while the next bytes are missing or cold.
  std::uint64_t sendable_bytes(std::uint64_t budget_bytes);
  // Sends at most `length` bytes, and subtracts the number of sent bytes from `budget_bytes`.
  SendOutcome send_some(std::uint64_t length, std::uint64_t& budget_bytes);
  // Sends the bytes up to end_.
  SendOutcome send_range(std::uint64_t& budget_bytes);
  // Goes on with the next part, or with the text after the last part. Returns false at the end of
  // the body.
  bool begin_next();
  SendOutcome send_text(std::uint64_t& budget_bytes);
  // Corks the socket for a stored blob that takes several turns or has several parts, unless
  // corking would be slower.
  void cork_if_long();

  const Context context_;
  BlobBody& body_;
  std::uint64_t at_;   // The offset in the blob of the next byte to send.
  std::uint64_t end_;  // The end in the blob of the present range.
  std::uint64_t sent_bytes_ = 0;
  std::size_t part_ = 0;    // The index of the present part; the number of parts after the last.
  std::string first_text_;  // Before the first part.
  std::string text_;        // Before any later part, or after the last part.
  std::optional<MemorySender> text_sender_;  // While text_ is not out.
  ColdRead cold_read_;
  std::optional<SendWindow> window_;
  bool is_long_ = false;  // Counted in long_blobs.
  bool corked_ = false;
};

}  // namespace layby::server

#endif  // LAYBY_SERVER_BLOB_SENDER_H_
