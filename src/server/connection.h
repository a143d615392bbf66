// SPDX-License-Identifier: Apache-2.0
//
// One client's connection: it reads a request head, lets the handler answer the request, sends the
// answer, and starts again. DESIGN.md has the diagram of the states. A closed connection tells its
// owner, who destroys the connection later; a connection never destroys itself. Only the
// connection's watch calls on_io(). Lives on the loop thread.

#ifndef LAYBY_SERVER_CONNECTION_H_
#define LAYBY_SERVER_CONNECTION_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "layby/event/loop.h"
#include "layby/server/http_server.h"
#include "server/blob_sender.h"
#include "server/client_limits.h"
#include "server/client_socket.h"
#include "server/memory_sender.h"
#include "server/request_parser.h"
#include "server/response_head.h"
#include "server/send_outcome.h"
#include "server/stream_sender.h"
#include "server/transaction.h"

namespace layby::server {

enum class ConnectionState {
  kIdle,       // Between requests; no byte of the next request has been read.
  kReading,    // A part of a head has been read.
  kHandling,   // The handler works on the answer.
  kSending,    // The answer goes out.
  kLingering,  // Our end is closed. The client's bytes are read and thrown away, because unread
               // bytes would cause a reset that may take the answer from the client.
  kClosed,     // The socket is closed. The owner destroys the connection.
};

class Connection final : public event::IoHandler, private cache::BlobReader::Listener {
 public:
  // Shared by all connections of a server.
  struct Context {
    const HttpServer::Context& server;
    const Limits& limits;
    Handler& handler;
    Gate* gate;  // Null lets every request pass.
    HeadWriter& head_writer;
    SpareTransaction& spare;
    ClientLimits& clients;
    int& long_blobs;  // Whole blobs being sent now that take more than one turn.
    bool draining = false;
  };

  // Has the place of `client`, until the connection closes. Calls `on_closed` once, when the
  // connection closes. `on_closed` must not destroy the connection.
  Connection(const Context& context, ClientSocket socket, ClientInfo client, ClientPlace place,
             std::function<void(Connection&)> on_closed);
  ~Connection() override;

  // Reads the bytes that have arrived already, then watches the socket. Call start() once.
  void start();

  // Closes an idle connection now, and a busy connection after its present answer.
  void drain();

 private:
  void on_io(bool readable, bool writable) override;
  void on_readable() override;  // Called by the reader of the blob being sent.
  void on_reader_failed(const Error& error) override;
  void on_alarm();

  bool takes_heads() const {
    return state_ == ConnectionState::kIdle || state_ == ConnectionState::kReading;
  }
  bool is_busy() const {
    return state_ == ConnectionState::kHandling || state_ == ConnectionState::kSending;
  }
  void read();
  // The client sends no more. A client that still reads gets its answers whole.
  void on_client_ended();
  // Looks again and again, while the handler works, whether a client that sends no more reads.
  void watch_for_leaving();
  // Looks again and again whether a client that ended its direction in mid-answer still gets bytes.
  void watch_late_end();
  void consume(std::string_view bytes);
  void on_request();
  void refuse(const RequestParser::Refusal& refusal);

  void respond(Response response);
  // Chooses how the client learns where the body ends, and writes the head.
  void write_head();
  void begin_blob(BlobBody& body);
  void begin_stream(StreamBody& body);
  // Calls send() in a later turn.
  void send_later();
  void send();
  SendOutcome send_answer();
  SendOutcome send_memory();
  void on_response_sent();
  // Reads the next request, which came before the last request was answered.
  void next_in_advance();

  void linger();
  void close();
  void want_io();
  void arm_stall_check();
  void enter(ConnectionState state);

  const Context& context_;
  ClientSocket socket_;
  const ClientInfo client_;  // The client of the connection; a proxy has one for each request.
  ClientPlace place_;        // A proxy's client has the place during its request.
  const std::function<void(Connection&)> on_closed_;
  std::unique_ptr<event::IoWatch> watch_;
  std::unique_ptr<event::Alarm> alarm_;

  ConnectionState state_ = ConnectionState::kIdle;
  // Set from the first byte of a head to the last byte of its answer.
  std::unique_ptr<Transaction> transaction_;
  std::string unread_;  // Bytes after the head of the present request.
  // In transaction_; null before the head is whole, or if the head is refused.
  Request* request_ = nullptr;
  Handle handling_;
  bool keep_alive_ = false;
  bool client_ended_ = false;  // The client has ended its direction of the connection.
  Handle late_end_check_;

  bool body_wanted_ = false;
  MemorySender memory_;                   // Sends the head and a text body.
  std::unique_ptr<BlobSender> blob_;      // While a blob is sent.
  std::unique_ptr<StreamSender> stream_;  // While a streamed body is sent.
  bool waits_for_socket_ = false;
  std::uint64_t sent_at_last_alarm_ = 0;
  int stalled_checks_ = 0;  // How many checks in a row found that the client took no byte.
};

}  // namespace layby::server

#endif  // LAYBY_SERVER_CONNECTION_H_
