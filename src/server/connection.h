// SPDX-License-Identifier: Apache-2.0
//
// One client's connection: reads a request head, has it handled, sends the answer,
// and again. One state at a time; the diagram is in DESIGN.md. A connection never
// destroys itself: it tells its owner, which does so later. Lives on the loop thread.

#ifndef LAYBY_SERVER_CONNECTION_H_
#define LAYBY_SERVER_CONNECTION_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "layby/event/loop.h"
#include "layby/server/http_server.h"
#include "server/client_socket.h"
#include "server/cold_read.h"
#include "server/exchange.h"
#include "server/request_parser.h"
#include "server/response_head.h"

namespace layby::server {

enum class ConnectionState {
  kIdle,       // Between requests; nothing of the next one has come.
  kReading,    // Part of a head has come.
  kHandling,   // The handler works on the answer.
  kSending,    // The answer goes out.
  kLingering,  // Our end is closed; what the client still sends is thrown away, so that
               // a reset does not take the answer from it.
  kClosed,     // Over. The owner forgets it.
};

class Connection final : private event::IoHandler, private cache::BlobReader::Listener {
 public:
  // Shared by all connections of a server.
  struct Context {
    const HttpServer::Context& server;
    const Limits& limits;
    Handler& handler;
    HeadWriter& head_writer;
    SpareExchange& spare;
    int& long_blobs;  // That are being sent, of more than a turn.
    bool draining = false;
  };

  // `on_closed` is called once; it must not destroy the connection.
  Connection(const Context& context, ClientSocket socket, std::string client,
             std::function<void(Connection&)> on_closed);
  ~Connection() override;

  // Reads what has come already, and from now on. Call it once.
  void start();

  const std::string& client() const { return client_; }

  // Ends it now if it is idle, else after the answer under way.
  void drain();

 private:
  void on_io(bool readable, bool writable) override;
  void on_readable() override;  // Of the blob being sent.
  void on_reader_failed(const Error& error) override;
  void on_alarm();

  void read();
  void consume(std::string_view bytes);
  void on_request();
  void refuse(const RequestParser::Refusal& refusal);

  void respond(Response response);
  void send();
  // Each returns false when it must be called again later, or the connection is closed.
  // The head, and what stands in memory behind it.
  bool send_memory(std::string_view text);
  bool send_blob(BlobBody& body);
  // Full segments alone, as long as several turns have them to send.
  void cork_if_long(const BlobBody& body);
  void end_long_blob();
  // Bytes of the blob that can go out now; none while they are not there or cold.
  std::uint64_t sendable_bytes(const BlobBody& body, std::uint64_t budget_bytes);
  // Counts what a system call has sent; false when it failed or would block.
  bool on_sent(ssize_t result);
  void on_response_sent();
  // Takes up what came before the last request was answered.
  void next_in_advance();

  void linger();
  void close();
  void want_io();
  void arm_stall_check();
  void enter(ConnectionState state);

  const Context& context_;
  ClientSocket socket_;
  const std::string client_;
  const std::function<void(Connection&)> on_closed_;
  std::unique_ptr<event::IoWatch> watch_;
  std::unique_ptr<event::Alarm> alarm_;

  ConnectionState state_ = ConnectionState::kIdle;
  std::unique_ptr<Exchange> exchange_;  // From the first byte of a head to its answer's last.
  std::string unread_;                  // Came behind the head of the present request.
  Request* request_ = nullptr;          // Of exchange_, when it is whole and no refusal.
  cache::Handle handling_;
  bool keep_alive_ = false;

  bool body_wanted_ = false;
  std::uint64_t memory_sent_ = 0;  // Of the head and a text body.
  std::uint64_t body_sent_ = 0;    // Of a blob.
  bool is_long_blob_ = false;      // Counted in long_blobs.
  bool corked_ = false;
  std::unique_ptr<ColdRead> cold_read_;
  bool waits_for_socket_ = false;
  bool waits_for_disk_ = false;
  std::uint64_t sent_at_last_alarm_ = 0;
  int stalled_checks_ = 0;  // In a row, without a byte taken.
  std::uint64_t sent_total_ = 0;
};

}  // namespace layby::server

#endif  // LAYBY_SERVER_CONNECTION_H_
