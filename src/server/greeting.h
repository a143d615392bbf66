// SPDX-License-Identifier: Apache-2.0
//
// A Greeting has the socket of a new connection from a trusted proxy. The Greeting waits for the
// header of the PROXY protocol, or for the first byte of something else, and takes the header off
// the socket. A Connection then gets the socket. Lives on the loop thread.

#ifndef LAYBY_SERVER_GREETING_H_
#define LAYBY_SERVER_GREETING_H_

#include <chrono>
#include <functional>
#include <memory>
#include <optional>

#include "layby/base/fd.h"
#include "layby/base/ip_address.h"
#include "layby/event/loop.h"

namespace layby::server {

class Greeting final : private event::IoHandler {
 public:
  // Gets the socket, and the client that the proxy has named; nullopt if the proxy has named no
  // client. `fd` is empty if the proxy broke the protocol, ended the connection, or was silent for
  // the timeout.
  using OnGreeted =
      std::function<void(Greeting& greeting, UniqueFd fd, const std::optional<IpAddress>& client)>;

  // Calls `on_greeted` once, inside start() or later. `on_greeted` must not destroy the Greeting.
  Greeting(event::Loop& loop, UniqueFd fd, std::chrono::milliseconds timeout, OnGreeted on_greeted);
  // Begins with the bytes that have arrived already. Call start() once.
  void start();

 private:
  void on_io(bool readable, bool writable) override;
  void wait_for(std::size_t bytes);
  void take(std::size_t bytes);
  void finish(const std::optional<IpAddress>& client);
  void give_up();

  UniqueFd fd_;
  const OnGreeted on_greeted_;
  std::unique_ptr<event::IoWatch> watch_;
  std::unique_ptr<event::Alarm> alarm_;
  std::size_t waits_for_bytes_ = 1;
};

}  // namespace layby::server

#endif  // LAYBY_SERVER_GREETING_H_
