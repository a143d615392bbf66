// SPDX-License-Identifier: Apache-2.0
//
// Uses curl_multi_socket_action as curl's manual describes: curl's socket callback sets the
// watches, and curl's timer callback sets the alarm. When a socket is ready or the alarm fires, the
// Driver calls curl once. Then the Driver carries out the starts and releases that waited for curl
// to return, and calls on_finished of the owners of finished transfers.

#include "upstream/driver.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace layby::upstream {

class Driver::Socket final : public event::IoHandler {
 public:
  Socket(Driver& driver, curl_socket_t fd)
      : driver_(driver), fd_(fd), watch_(driver.loop_.watch(fd, *this)) {}

  void want(int what) {
    watch_->want(what == CURL_POLL_IN || what == CURL_POLL_INOUT,
                 what == CURL_POLL_OUT || what == CURL_POLL_INOUT);
  }
  void on_io(bool readable, bool writable) override {
    // curl may close the socket, which destroys this object.
    driver_.act(fd_, (readable ? CURL_CSELECT_IN : 0) | (writable ? CURL_CSELECT_OUT : 0));
  }

 private:
  Driver& driver_;
  curl_socket_t fd_;
  std::unique_ptr<event::IoWatch> watch_;
};

class Driver::InsideCurl {
 public:
  explicit InsideCurl(Driver& driver) : driver_(driver) {
    assert(!driver_.inside_curl_);
    driver_.inside_curl_ = true;
    ++driver_.curl_calls_;
  }
  InsideCurl(const InsideCurl&) = delete;
  InsideCurl& operator=(const InsideCurl&) = delete;
  ~InsideCurl() { driver_.inside_curl_ = false; }

 private:
  Driver& driver_;
};

Driver::Driver(event::Loop& loop, MultiPtr multi, std::uint64_t max_rate)
    : loop_(loop),
      rate_limit_(loop, max_rate),
      timer_(loop.alarm([this] { act(CURL_SOCKET_TIMEOUT, 0); })),
      soon_(loop.alarm([this] { unpause_all(); })),
      tls_sessions_(curl_share_init()),
      multi_(std::move(multi)) {
  curl_share_setopt(tls_sessions_.get(), CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
  curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETFUNCTION, &Driver::on_socket);
  curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_.get(), CURLMOPT_TIMERFUNCTION, &Driver::on_timer);
  curl_multi_setopt(multi_.get(), CURLMOPT_TIMERDATA, this);
}

Driver::~Driver() {
  assert(!inside_curl_ && starting_.empty() && unpausing_.empty() && released_.empty());
}

void Driver::start(Wire& wire) {
  assert(wire.owner != nullptr && !wire.attached);
  if (inside_curl_) {
    starting_.push_back(&wire);
    return;
  }
  // curl_multi_add_handle fails only when memory is short. An alarm then ends the exchange.
  wire.attached = curl_multi_add_handle(multi_.get(), wire.easy.get()) == CURLM_OK;
}

void Driver::release(std::unique_ptr<Wire> wire) {
  assert(wire);
  std::erase(starting_, wire.get());
  std::erase(unpausing_, wire.get());
  wire->owner = nullptr;
  if (inside_curl_) {
    released_.push_back(std::move(wire));
  } else if (wire->attached) {
    curl_multi_remove_handle(multi_.get(), wire->easy.get());
  }
}

void Driver::unpause_soon(Wire& wire) {
  assert(wire.owner != nullptr && wire.attached);
  if (std::find(unpausing_.begin(), unpausing_.end(), &wire) == unpausing_.end()) {
    unpausing_.push_back(&wire);
  }
  soon_->arm(std::chrono::milliseconds(0));
}

int Driver::on_socket(CURL* easy, curl_socket_t fd, int what, void* self, void*) noexcept {
  char* wire = nullptr;  // Stays null for an easy handle that curl made itself.
  curl_easy_getinfo(easy, CURLINFO_PRIVATE, &wire);
  if (wire != nullptr && what != CURL_POLL_REMOVE) reinterpret_cast<Wire*>(wire)->socket = fd;
  static_cast<Driver*>(self)->watch(fd, what);
  return 0;
}

int Driver::on_timer(CURLM*, long timeout_ms, void* self) noexcept {
  event::Alarm& timer = *static_cast<Driver*>(self)->timer_;
  if (timeout_ms < 0) {
    timer.disarm();
  } else {
    timer.arm(std::chrono::milliseconds(timeout_ms));
  }
  return 0;
}

void Driver::watch(curl_socket_t fd, int what) {
  if (what == CURL_POLL_REMOVE) {
    sockets_.erase(fd);
    return;
  }
  auto& socket = sockets_[fd];
  if (!socket) socket = std::make_unique<Socket>(*this, fd);
  socket->want(what);
}

void Driver::act(curl_socket_t fd, int flags) {
  {
    const InsideCurl inside(*this);
    int running = 0;
    curl_multi_socket_action(multi_.get(), fd, flags, &running);
  }
  settle();
  report_finished();
}

void Driver::unpause_all() {
  // If a transfer is unpaused again while this `for` runs, the transfer waits for the next turn.
  for (std::size_t left = unpausing_.size(); left > 0 && !unpausing_.empty(); --left) {
    Wire* wire = unpausing_.front();
    unpausing_.erase(unpausing_.begin());
    CURLcode code = CURLE_OK;
    {
      const InsideCurl inside(*this);
      code = curl_easy_pause(wire->easy.get(), CURLPAUSE_CONT);
    }
    // curl_easy_pause offers the paused bytes again. If these bytes cause an error, only the result
    // of curl_easy_pause reports the error: the error doesn't end the transfer by itself.
    if (code != CURLE_OK && wire->owner != nullptr) wire->owner->on_finished(code);
    settle();
  }
  report_finished();
  if (!unpausing_.empty()) soon_->arm(std::chrono::milliseconds(0));
}

void Driver::settle() {
  assert(!inside_curl_);
  for (auto& wire : std::exchange(released_, {})) release(std::move(wire));
  for (Wire* wire : std::exchange(starting_, {})) start(*wire);
}

void Driver::report_finished() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;
    char* wire = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &wire);
    // curl_multi_remove_handle also drops a wire's messages, so no message is for a released wire.
    assert(wire != nullptr && reinterpret_cast<Wire*>(wire)->owner != nullptr);
    // on_finished makes `message` invalid, because the owner releases the wire.
    reinterpret_cast<Wire*>(wire)->owner->on_finished(code);
  }
}

}  // namespace layby::upstream
