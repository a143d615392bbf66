// SPDX-License-Identifier: Apache-2.0
//
// Turns a curl multi handle on the event loop: one watch a socket, one alarm for
// curl's time. curl forbids adding, removing and resuming inside its own callbacks, so
// these wait here until curl has returned; whoever calls them need not know where it
// stands. Ends of transfers are told outside curl too. Loop thread only.

#ifndef LAYBY_UPSTREAM_DRIVER_H_
#define LAYBY_UPSTREAM_DRIVER_H_

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
  // `max_rate` is of blobs, in bytes a second; 0 for no limit.
  Driver(event::Loop& loop, MultiPtr multi, std::uint64_t max_rate);
  ~Driver();
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  event::Loop& loop() { return loop_; }
  RateLimit& rate_limit() { return rate_limit_; }
  // Counts the calls into curl. Within one of them curl reads a fast connection up to a
  // hundred times in a row; owners use this to bound what they take of it.
  std::uint64_t turn() const { return turn_; }

  // Starts the transfer. Its owner hears of it no earlier than at the loop's next turn.
  void start(Wire& wire);
  // Ends the transfer, if it still goes; its owner hears nothing more.
  void release(std::unique_ptr<Wire> wire);
  // Goes on with a transfer whose owner said kPause, at the next turn.
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
  std::unique_ptr<event::Alarm> timer_;
  std::unique_ptr<event::Alarm> soon_;
  std::map<curl_socket_t, std::unique_ptr<Socket>> sockets_;
  std::vector<Wire*> starting_;
  std::vector<Wire*> unpausing_;
  std::vector<std::unique_ptr<Wire>> released_;
  bool inside_curl_ = false;
  std::uint64_t turn_ = 0;
  MultiPtr multi_;  // Last: closing its connections calls on_socket.
};

}  // namespace layby::upstream

#endif  // LAYBY_UPSTREAM_DRIVER_H_
