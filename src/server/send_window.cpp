// SPDX-License-Identifier: Apache-2.0
//
// The kernel grows a buffer by itself until somebody sets SO_SNDBUF, and again after the lock that
// SO_SNDBUF leaves is taken off (SO_BUF_LOCK, Linux 5.14). On an older kernel, the buffer of a far
// client stays as it is until SO_SNDBUF makes the buffer larger.
//
// Invariant: held_bytes_ is the size of SO_SNDBUF if it is above 0.

#include "server/send_window.h"

// The C library's netinet/tcp.h lacks the last members of tcp_info.
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "layby/base/fd.h"
#include "layby/base/log.h"

namespace layby::server {
namespace {

// The buffer is looked at again after a quarter of it was sent, because the congestion window may
// double in one round trip.
constexpr std::uint64_t kLooks = 4;
constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();

void set(int fd, int name, int value) {
  // If the kernel refuses, the client is served from the buffer that it has.
  if (::setsockopt(fd, SOL_SOCKET, name, &value, sizeof value) != 0) {
    log::debug("setsockopt {}: {}", name, std::strerror(errno));
  }
}

void set_buffer(int fd, std::uint64_t bytes) { set(fd, SO_SNDBUF, static_cast<int>(bytes)); }

// The size that set_buffer() would have to set for the present buffer; 0 if the kernel doesn't say.
std::uint64_t buffer_bytes(int fd) {
  int given = 0;
  socklen_t length = sizeof given;
  if (::getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &given, &length) != 0) return 0;
  return static_cast<std::uint64_t>(given) / 2;  // The kernel doubles the size.
}

// Whether the client's kernel has all bytes.
bool is_empty(int fd) {
  int unsent = 0;
  return ::ioctl(fd, SIOCOUTQ, &unsent) == 0 && unsent == 0;
}

}  // namespace

std::optional<policy::TcpPath> tcp_path(int fd) {
  tcp_info info{};
  socklen_t length = sizeof info;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return std::nullopt;
  const bool is_known = info.tcpi_min_rtt > 0 && info.tcpi_min_rtt != ~0u;
  if (!is_known) return std::nullopt;
  return policy::TcpPath{std::chrono::microseconds(info.tcpi_min_rtt),
                         std::uint64_t{info.tcpi_snd_cwnd} * info.tcpi_snd_mss};
}

std::uint64_t largest_send_buffer(std::uint64_t wanted_bytes) {
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  set_buffer(fd.get(), wanted_bytes);
  return buffer_bytes(fd.get());
}

SendWindow::~SendWindow() {
  budget_.give_back(held_bytes_);
  if (released_ && !is_far_) {
    set_buffer(fd_, policy::kNearSendBufferBytes);
  } else if (held_bytes_ > 0) {
    set_buffer(fd_, policy::kKernelSendBufferBytes);
    release();
  }
}

void SendWindow::on_full(std::uint64_t sent_bytes) {
  if (sent_bytes >= next_look_at_) follow_path(sent_bytes);
  if (!released_) full_since_ = clock_.steady_now();
}

void SendWindow::on_room() {
  if (!full_since_) return;
  const auto waited = clock_.steady_now() - *std::exchange(full_since_, std::nullopt);
  const bool ran_empty = waited >= policy::Lateness::kLate && is_empty(fd_);
  if (lateness_.note(waited, ran_empty)) release();
}

void SendWindow::follow_path(std::uint64_t sent_bytes) {
  const auto path = read_path_(fd_);
  is_far_ = path && path->is_far();
  if (!is_far_) {
    next_look_at_ = kNever;
    return;
  }
  if (!released_) release();
  const std::uint64_t grown = budget_.grow(held_bytes_, *path);
  if (grown != held_bytes_) {
    held_bytes_ = grown;
    // The kernel may have grown the buffer further, where the administrator allows it.
    if (buffer_bytes(fd_) < grown) set_buffer(fd_, grown);
  }
  next_look_at_ = sent_bytes + std::max(held_bytes_, policy::kNearSendBufferBytes) / kLooks;
}

void SendWindow::release() {
  released_ = true;
  set(fd_, SO_BUF_LOCK, 0);
}

}  // namespace layby::server
