// SPDX-License-Identifier: Apache-2.0
//
// The Greeting looks at the bytes and leaves them in the socket (MSG_PEEK), because all bytes that
// aren't the header belong to the Connection or to OpenSSL. SO_RCVLOWAT makes the socket readable
// only when enough bytes for the next step have arrived, so half a header doesn't wake the loop
// again and again.

#include "server/greeting.h"

#include <sys/socket.h>

#include <array>
#include <cassert>
#include <cerrno>
#include <utility>

#include "layby/base/log.h"
#include "server/proxy_header.h"

namespace layby::server {

Greeting::Greeting(event::Loop& loop, UniqueFd fd, std::chrono::milliseconds timeout,
                   OnGreeted on_greeted)
    : fd_(std::move(fd)),
      on_greeted_(std::move(on_greeted)),
      watch_(loop.watch(fd_.get(), *this)),
      alarm_(loop.alarm([this] { give_up(); })) {
  alarm_->arm(timeout);
}

void Greeting::start() { on_io(true, false); }

void Greeting::on_io(bool, bool) {
  std::array<char, kMostProxyHeaderBytes> buffer;
  const ssize_t n = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_PEEK);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return wait_for(waits_for_bytes_);
  if (n <= 0) return give_up();
  const auto size = static_cast<std::size_t>(n);
  const ProxyHeaderResult result = parse_proxy_header({buffer.data(), size});
  if (const auto* unfinished = std::get_if<ProxyHeaderUnfinished>(&result)) {
    assert(unfinished->least > size);
    // A socket with fewer bytes than SO_RCVLOWAT is readable only if the connection has ended.
    if (size < waits_for_bytes_) return give_up();
    return wait_for(unfinished->least);
  }
  if (const auto* header = std::get_if<ProxyHeader>(&result)) {
    take(header->bytes);
    return finish(header->client);
  }
  if (std::holds_alternative<NoProxyHeader>(result)) return finish(std::nullopt);
  log::info("closing a connection of a trusted proxy: its PROXY header can't be read");
  give_up();
}

void Greeting::wait_for(std::size_t bytes) {
  waits_for_bytes_ = bytes;
  const int value = static_cast<int>(bytes);
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVLOWAT, &value, sizeof value);
  watch_->want(true, false);
}

void Greeting::take(std::size_t bytes) {
  std::array<char, kMostProxyHeaderBytes> header;
  assert(bytes <= header.size());
  [[maybe_unused]] const ssize_t n = ::recv(fd_.get(), header.data(), bytes, 0);
  assert(n == static_cast<ssize_t>(bytes));  // MSG_PEEK has seen these bytes.
}

void Greeting::finish(const std::optional<IpAddress>& client) {
  watch_.reset();
  alarm_.reset();
  if (fd_ && waits_for_bytes_ > 1) {
    const int value = 1;
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVLOWAT, &value, sizeof value);
  }
  on_greeted_(*this, std::move(fd_), client);
}

void Greeting::give_up() {
  watch_.reset();
  fd_.reset();
  finish(std::nullopt);
}

}  // namespace layby::server
