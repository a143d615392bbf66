// SPDX-License-Identifier: Apache-2.0
//
// A listening socket: TCP on a numeric address, or a Unix socket. Accepted sockets inherit
// the buffer sizes and TCP_NODELAY of the listening socket, which saves system calls for
// each connection. Lives on the loop thread.

#ifndef LAYBY_SERVER_LISTENER_H_
#define LAYBY_SERVER_LISTENER_H_

#include <sys/socket.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "layby/base/fd.h"
#include "layby/event/loop.h"
#include "layby/server/http_server.h"

namespace layby::server {

// The client at `peer`, the address that accept(2) gave. Only a client of a Unix socket is
// local. Returns nullopt if the address of a TCP client isn't IP: such a client is unknown and must
// not be let in.
std::optional<ClientInfo> client_at(const sockaddr_storage& peer, bool on_unix_socket);

class Listener final : private event::IoHandler {
 public:
  // Gets an accepted, non-blocking socket, and a ClientInfo with address and is_local. The
  // callback must not destroy the listener.
  using OnAccept = std::function<void(UniqueFd, ClientInfo)>;

  static Result<std::unique_ptr<Listener>> tcp(event::Loop& loop, const std::string& address,
                                               const Limits& limits, OnAccept on_accept);
  static Result<std::unique_ptr<Listener>> unix_socket(event::Loop& loop, const std::string& path,
                                                       OnAccept on_accept);
  ~Listener() override;

  // Sets the socket buffers of the connections that are accepted from now on.
  void set_limits(const Limits& limits);
  // Accepts the clients that have connected, at most as many as the listen queue holds.
  void accept_waiting();

  // The bound address, such as "127.0.0.1:5000", or the Unix socket's path.
  const std::string& address() const { return address_; }

 private:
  Listener(event::Loop& loop, UniqueFd fd, std::string address, OnAccept on_accept);
  bool is_local() const { return !unlink_at_end_.empty(); }
  // Accepts at most `most` clients. Returns how many clients had connected.
  int accept(int most);
  void accept(UniqueFd fd, const sockaddr_storage& peer);
  void on_io(bool readable, bool writable) override;

  event::Loop& loop_;
  UniqueFd fd_;
  const std::string address_;
  std::string unlink_at_end_;  // The path of a Unix socket; empty for TCP.
  const OnAccept on_accept_;
  std::unique_ptr<event::IoWatch> watch_;
  int accepts_a_turn_ = 1;
  int full_turns_ = 0;  // The turns in a row in which accepts_a_turn_ clients had connected.
  Handle pause_;        // The timer that resumes accepting after descriptors ran out.
};

}  // namespace layby::server

#endif  // LAYBY_SERVER_LISTENER_H_
