// SPDX-License-Identifier: Apache-2.0
//
// Drives a curl multi handle by the event loop: one watch for each socket, one alarm for
// curl's timeout. curl forbids adding, removing and resuming transfers inside its callbacks.
// The Driver puts such work off until curl has returned, so a caller need not know whether it
// runs inside curl. on_finished of an owner is called outside curl. Loop thread only.
//
// Invariants: calls into curl don't nest; a wire has an owner until it is released; all wires
// are released before the Driver is destroyed.

#ifndef LAYBY_UPSTREAM_DRIVER_H_
#define LAYBY_UPSTREAM_DRIVER_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "layby/event/loop.h"
#include "upstream/curl_ptr.h"
#include "upstream/rate_limit.h"
#include "upstream/wire.h"

namespace layby::upstream {

class Driver {
 public:
  // `max_rate` limits all blobs together, in bytes a second; 0 for no limit.
  Driver(event::Loop& loop, MultiPtr multi, std::uint64_t max_rate);
  ~Driver();
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  event::Loop& loop() { return loop_; }
  RateLimit& rate_limit() { return rate_limit_; }
  // The TCP ports on which this process serves its clients.
  const std::vector<std::uint16_t>& own_ports() const { return own_ports_; }
  void add_own_port(std::uint16_t port) {
    if (std::count(own_ports_.begin(), own_ports_.end(), port) == 0) own_ports_.push_back(port);
  }
  // The TLS sessions of all transfers. Null when memory is short.
  CURLSH* tls_sessions() { return tls_sessions_.get(); }
  // The number of calls into curl so far. Within one call curl reads a fast connection up to
  // a hundred times in a row. An owner uses the number to limit the bytes that it takes in a call.
  std::uint64_t curl_calls() const { return curl_calls_; }

  // Starts the transfer. The wire's owner is first called at the loop's next turn or later.
  void start(Wire& wire);
  // Ends the wire's transfer if the transfer still runs. The wire's owner is not called again.
  void release(std::unique_ptr<Wire> wire);
  // At the next turn, continues a transfer whose owner returned kPause.
  void unpause_soon(Wire& wire);

 private:
  class Socket;
  class InsideCurl;

  static int on_socket(CURL* easy, curl_socket_t fd, int what, void* self, void*) noexcept;
  static int on_timer(CURLM*, long timeout_ms, void* self) noexcept;
  void watch(curl_socket_t fd, int what);
  void act(curl_socket_t fd, int flags);
  void unpause_all();
  void settle();
  void report_finished();

  event::Loop& loop_;
  RateLimit rate_limit_;
  std::vector<std::uint16_t> own_ports_;
  std::unique_ptr<event::Alarm> timer_;
  std::unique_ptr<event::Alarm> soon_;
  std::map<curl_socket_t, std::unique_ptr<Socket>> sockets_;
  std::vector<Wire*> starting_;
  std::vector<Wire*> unpausing_;
  std::vector<std::unique_ptr<Wire>> released_;
  bool inside_curl_ = false;
  std::uint64_t curl_calls_ = 0;
  SharePtr tls_sessions_;
  MultiPtr multi_;  // Last, because curl calls on_socket when it closes its connections.
};

}  // namespace layby::upstream

#endif  // LAYBY_UPSTREAM_DRIVER_H_
