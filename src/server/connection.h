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
#include "server/connection_state.h"
#include "server/memory_sender.h"
#include "server/request_parser.h"
#include "server/response_head.h"
#include "server/send_outcome.h"
#include "server/stall_check.h"
#include "server/stream_sender.h"
#include "server/transaction.h"

namespace layby::server {

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
    int& long_blobs;  // The number of long answers of blobs under way, see BlobSender.
    policy::SendBudget& send_budget;
    bool draining = false;

    // Null if send buffers have a fixed size.
    policy::SendBudget* budget() const {
      return limits.send_buffer_bytes == 0 ? &send_budget : nullptr;
    }
  };

  // Keeps `place`, which counts as a connection of `client`, until the connection closes. Calls
  // `on_closed` once, at the close. `on_closed` must not destroy the connection.
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
  // Called when the client will send no more bytes. A client that still reads gets whole answers,
  // but an endless stream ends.
  void on_client_ended();
  // While the handler works, checks repeatedly whether a client that has stopped sending still
  // reads.
  void watch_for_leaving();
  // After the client has stopped sending in mid-answer, checks repeatedly whether the client still
  // gets bytes.
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
  // Whether the answer goes out in one segment with the end of the connection, so that the client
  // is woken once. The end follows at once.
  bool joins_end() const { return !keep_alive_ && socket_.joins_end(); }
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
  const ClientInfo client_;  // The connection's client, which may be a trusted proxy.
  ClientPlace place_;        // For a proxy, the place of the present request's client.
  const std::function<void(Connection&)> on_closed_;
  std::unique_ptr<event::IoWatch> watch_;
  std::unique_ptr<event::Alarm> alarm_;

  ConnectionState state_ = ConnectionState::kIdle;
  // Set from the first byte of a head to the last byte of its answer.
  std::unique_ptr<Transaction> transaction_;
  std::string unread_;  // Bytes after the head of the present request.
  // Points into transaction_. Null before the head is whole, or if the head is refused.
  Request* request_ = nullptr;
  Handle handling_;
  bool keep_alive_ = false;
  bool client_ended_ = false;  // The client will send no more bytes.
  Handle late_end_check_;

  bool body_wanted_ = false;
  MemorySender memory_;                   // Sends the head and a text body.
  std::unique_ptr<BlobSender> blob_;      // Set while a blob is sent.
  std::unique_ptr<StreamSender> stream_;  // Set while a streamed body is sent.
  bool waits_for_socket_ = false;
  StallCheck stall_;  // In kSending.
};

}  // namespace layby::server

#endif  // LAYBY_SERVER_CONNECTION_H_
