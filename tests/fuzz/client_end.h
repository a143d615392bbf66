// SPDX-License-Identifier: Apache-2.0
//
// A pair of connected sockets, and the client at one end, for the fuzz target `connection`. No call
// blocks: bytes that don't fit into the socket wait in the client.

#ifndef LAYBY_TESTS_FUZZ_CLIENT_END_H_
#define LAYBY_TESTS_FUZZ_CLIENT_END_H_

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "layby/base/fd.h"
#include "require.h"

namespace layby::fuzz {

struct SocketPair {
  UniqueFd server;
  UniqueFd client;
};

inline void set_int(int fd, int level, int option, int value) {
  ::setsockopt(fd, level, option, &value, sizeof value);
}

inline SocketPair unix_pair() {
  std::array<int, 2> ends{};
  require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0,
          "the kernel gives a pair of sockets");
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

inline sockaddr_in loopback(std::uint32_t host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + host);
  address.sin_port = htons(port);
  return address;
}

// A listening socket on a free port of loopback.
class LoopbackListener {
 public:
  LoopbackListener() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_in at = loopback(0, 0);
    socklen_t size = sizeof at;
    require(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&at), size) == 0 &&
                ::listen(fd_.get(), 16) == 0 &&
                ::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&at), &size) == 0,
            "the kernel gives a port of loopback");
    port_ = ntohs(at.sin_port);
  }
  std::uint16_t port() const { return port_; }
  // The next connection; none if no client has connected.
  UniqueFd accept() const {
    return UniqueFd(::accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  }

 private:
  UniqueFd fd_;
  std::uint16_t port_ = 0;
};

// Each pair has a new client address, because a closed connection keeps its port for a minute.

inline SocketPair tcp_pair() {
  static const LoopbackListener listener;
  static std::uint32_t host = 0;
  host = host % 0xffff + 1;
  SocketPair pair;
  pair.client.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in from = loopback(host, 0);
  const sockaddr_in to = loopback(0, listener.port());
  set_int(pair.client.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
  require(::bind(pair.client.get(), reinterpret_cast<const sockaddr*>(&from), sizeof from) == 0 &&
              ::connect(pair.client.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0,
          "loopback takes a connection");
  pair.server = listener.accept();
  require(static_cast<bool>(pair.server), "a connection that was made can be accepted");
  set_int(pair.server.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  return pair;
}

class ClientEnd {
 public:
  explicit ClientEnd(UniqueFd fd) : fd_(std::move(fd)) {}

  void write(std::string_view bytes) {
    if (!ends_) unsent_ += bytes;
    flush();
  }
  // Ends the client's direction when all bytes are sent.
  void end_sending() {
    ends_ = true;
    flush();
  }
  void flush() {
    while (fd_ && !unsent_.empty()) {
      const ssize_t n =
          ::send(fd_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n < 0 && errno != EAGAIN && errno != EINTR) unsent_.clear();
      if (n < 0) return;
      sent_.append(unsent_, 0, static_cast<std::size_t>(n));
      unsent_.erase(0, static_cast<std::size_t>(n));
    }
    if (fd_ && ends_ && !half_closed_) {
      half_closed_ = true;
      ::shutdown(fd_.get(), SHUT_WR);
    }
  }
  // Reads once, at most `most` bytes. Returns whether anything has come.
  bool read(std::size_t most) {
    std::array<char, 64 << 10> buffer;
    if (!fd_ || ended_) return false;
    const ssize_t n = ::recv(fd_.get(), buffer.data(), std::min(most, buffer.size()), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (n > 0) received_.append(buffer.data(), static_cast<std::size_t>(n));
    ended_ = n <= 0;
    return true;
  }
  void close() { fd_.reset(); }
  // Closes with a reset. A Unix socket can't be reset.
  void reset() {
    const linger at_once{1, 0};
    if (fd_) ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close();
  }

  bool is_open() const { return static_cast<bool>(fd_); }
  bool has_unsent() const { return !unsent_.empty() || (ends_ && !half_closed_); }
  bool has_half_closed() const { return half_closed_; }
  bool has_ended() const { return ended_; }  // The server has closed the connection.
  const std::string& sent() const { return sent_; }
  const std::string& received() const { return received_; }

 private:
  UniqueFd fd_;
  std::string unsent_;
  std::string sent_;
  std::string received_;
  bool ends_ = false;
  bool half_closed_ = false;
  bool ended_ = false;
};

}  // namespace layby::fuzz

#endif  // LAYBY_TESTS_FUZZ_CLIENT_END_H_
