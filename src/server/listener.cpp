// SPDX-License-Identifier: Apache-2.0
//
// Only this file makes, binds and accepts sockets.

#include "server/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "layby/base/log.h"
#include "layby/http/url.h"
#include "layby/policy/send_buffer.h"

namespace layby::server {
namespace {

constexpr int kBacklog = 1024;
// The most connections accepted in one turn, so that new clients don't block connected clients.
constexpr int kAcceptsPerTurn = 16;
// After so many turns with as many clients as the turn could accept, a turn accepts more clients.
constexpr int kFullTurns = 4;
constexpr std::chrono::milliseconds kPauseWithoutDescriptors{100};

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// An empty host stands for every address, IPv6 and IPv4.
Result<SocketAddress> to_address(const http::HostPort& at, const std::string& text) {
  SocketAddress out;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&out.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
  if (::inet_pton(AF_INET, at.host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(at.port);
    out.length = sizeof *v4;
    return out;
  }
  const std::string host = at.host.empty() ? "::" : at.host;
  if (::inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) != 1) {
    return Error{
        ErrorCode::kInvalid,
        "listen: \"" + text + "\" is not a numeric address; write one such as 0.0.0.0:5000"};
  }
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(at.port);
  out.length = sizeof *v6;
  return out;
}

// Returns nullopt for an address that isn't IPv4 or IPv6.
std::optional<IpAddress> ip_of(const sockaddr_storage& storage) {
  return ip_address_of(reinterpret_cast<const sockaddr&>(storage));
}

std::string bound_address(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length);
  const bool v6 = storage.ss_family == AF_INET6;
  const auto port = v6 ? reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port
                       : reinterpret_cast<const sockaddr_in*>(&storage)->sin_port;
  const std::string host = to_string(ip_of(storage).value_or(IpAddress{}));
  const bool brackets = host.find(':') != std::string::npos;
  return (brackets ? "[" + host + "]" : host) + ":" + std::to_string(ntohs(port));
}

void set_option(int fd, int level, int name, int value) {
  // If the kernel refuses an option, the server still works, only slower.
  if (::setsockopt(fd, level, name, &value, sizeof value) != 0) {
    log::debug("setsockopt {}/{}: {}", level, name, std::strerror(errno));
  }
}

void set_buffers(int fd, const Limits& limits) {
  const std::uint64_t send_buffer_bytes =
      limits.send_buffer_bytes > 0 ? limits.send_buffer_bytes : policy::kNearSendBufferBytes;
  set_option(fd, SOL_SOCKET, SO_SNDBUF, static_cast<int>(send_buffer_bytes));
  set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, static_cast<int>(limits.notsent_lowat_bytes));
}

Error listen_error(const std::string& address, int errno_value) {
  Error error = errno_error("listen on " + address, errno_value);
  if (errno_value == EADDRINUSE)
    error.message += "; another program uses it: stop that program, or change \"listen\"";
  if (errno_value == EADDRNOTAVAIL)
    error.message += "; no interface here has that address: change \"listen\"";
  if (errno_value == EACCES)
    error.message += "; ports below 1024 need root or CAP_NET_BIND_SERVICE";
  return error;
}

Error socket_error(const std::string& path, int errno_value) {
  Error error = errno_error("listen on " + path, errno_value);
  const bool of_the_folder = errno_value == ENOENT || errno_value == ENOTDIR ||
                             errno_value == EACCES || errno_value == EROFS;
  if (of_the_folder)
    error.message += "; \"socket\" needs a folder that exists and that layby may write to";
  return error;
}

// Whether a process listens on the Unix socket. False for the socket file of a dead daemon.
bool is_alive(const sockaddr_un& address) {
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
         errno == EAGAIN;  // The backlog of a live process is full.
}

// Whether `path` exists and is not a socket. No daemon made such a file, so it must not be removed.
bool is_not_a_socket(const std::string& path) {
  struct stat found {};
  return ::lstat(path.c_str(), &found) == 0 && !S_ISSOCK(found.st_mode);
}

}  // namespace

std::optional<ClientInfo> client_at(const sockaddr_storage& peer, bool on_unix_socket) {
  ClientInfo client;
  client.is_local = on_unix_socket;
  client.address = "local";
  if (on_unix_socket) return client;
  const auto ip = ip_of(peer);
  if (!ip) return std::nullopt;
  client.ip = *ip;
  client.address = to_string(*ip);
  return client;
}

Result<std::unique_ptr<Listener>> Listener::tcp(event::Loop& loop, const std::string& text,
                                                const Limits& limits, OnAccept on_accept) {
  const auto host_port = http::parse_host_port(text);
  if (!host_port.ok()) return host_port.error();
  const auto address = to_address(*host_port, text);
  if (!address.ok()) return address.error();
  UniqueFd fd(::socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return listen_error(text, errno);
  set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (address->storage.ss_family == AF_INET6) set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
  set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  set_buffers(fd.get(), limits);
  if (::bind(fd.get(), address->get(), address->length) != 0 || ::listen(fd.get(), kBacklog) != 0) {
    return listen_error(text, errno);
  }
  std::string bound = bound_address(fd.get());
  return std::unique_ptr<Listener>(
      new Listener(loop, std::move(fd), std::move(bound), std::move(on_accept)));
}

Result<std::unique_ptr<Listener>> Listener::unix_socket(event::Loop& loop, const std::string& path,
                                                        OnAccept on_accept) {
  sockaddr_un address{};
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return Error{ErrorCode::kInvalid, "socket: the path \"" + path + "\" must have 1 to 107 bytes"};
  }
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, path.size());
  if (is_alive(address)) {
    return Error{ErrorCode::kIo, "another layby answers on " + path +
                                     "; stop it, or give this one its own \"socket\""};
  }
  if (is_not_a_socket(path)) {
    return Error{ErrorCode::kInvalid,
                 "socket: " + path + " exists and is not a socket; give \"socket\" another path"};
  }
  ::unlink(path.c_str());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd || ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::chmod(path.c_str(), 0660) != 0 || ::listen(fd.get(), kBacklog) != 0) {
    return socket_error(path, errno);
  }
  auto listener =
      std::unique_ptr<Listener>(new Listener(loop, std::move(fd), path, std::move(on_accept)));
  listener->unlink_at_end_ = path;
  return listener;
}

Listener::Listener(event::Loop& loop, UniqueFd fd, std::string address, OnAccept on_accept)
    : loop_(loop),
      fd_(std::move(fd)),
      address_(std::move(address)),
      on_accept_(std::move(on_accept)),
      watch_(loop.watch(fd_.get(), *this)) {
  watch_->want(true, false);
}

Listener::~Listener() {
  if (!unlink_at_end_.empty()) ::unlink(unlink_at_end_.c_str());
}

void Listener::accept(UniqueFd fd, const sockaddr_storage& peer) {
  auto client = client_at(peer, is_local());
  if (!client) {
    return log::warn("a client at {} has address family {}, which isn't IP; closed", address_,
                     peer.ss_family);
  }
  on_accept_(std::move(fd), std::move(*client));
}

void Listener::set_limits(const Limits& limits) {
  if (!is_local()) set_buffers(fd_.get(), limits);
}

void Listener::accept_waiting() { accept(kBacklog); }

// If fewer clients have connected than a turn accepts, the turn's last accept4() is in vain. So a
// turn accepts about as many clients as have connected in earlier turns. Further clients wait for
// the next turn.
void Listener::on_io(bool, bool) {
  const int accepted = accept(accepts_a_turn_);
  if (accepted < accepts_a_turn_) {
    accepts_a_turn_ = std::max(accepted, 1);
    full_turns_ = 0;
  } else if (++full_turns_ == kFullTurns) {
    accepts_a_turn_ = std::min(2 * accepts_a_turn_, kAcceptsPerTurn);
    full_turns_ = 0;
  }
}

int Listener::accept(int most) {
  for (int i = 0; i < most; ++i) {
    sockaddr_storage peer{};
    socklen_t length = sizeof peer;
    UniqueFd fd(::accept4(fd_.get(), reinterpret_cast<sockaddr*>(&peer), &length,
                          SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd) {
      accept(std::move(fd), peer);
      continue;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
      log::error("accept on {}: {}; raise the limit of open files", address_, std::strerror(errno));
      watch_->want(false, false);
      pause_ = loop_.after(kPauseWithoutDescriptors, [this] { watch_->want(true, false); });
    }
    // Any other error means that no client waits, or that the waiting client has gone.
    return i;
  }
  return most;
}

}  // namespace layby::server
