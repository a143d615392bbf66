// SPDX-License-Identifier: Apache-2.0
//
// Without TLS each read or send is one system call.

#include "server/client_socket.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cassert>
#include <utility>

namespace layby::server {

ClientSocket::ClientSocket(UniqueFd fd, const TlsIdentity* identity, Counters& counters)
    : counters_(counters),
      fd_(std::move(fd)),
      tls_(identity != nullptr ? std::make_unique<TlsSession>(fd_.get(), *identity, counters)
                               : nullptr) {}

ssize_t ClientSocket::read(char* into, std::size_t size) {
  return tls_ ? tls_->read(into, size) : ::recv(fd_.get(), into, size, 0);
}

ssize_t ClientSocket::send(std::string_view head, std::string_view text, bool more) {
  if (tls_) return counted(tls_->send(head, text, more));
  // sendmsg only reads from these buffers; its interface has no const.
  std::array<iovec, 2> parts{{{const_cast<char*>(head.data()), head.size()},
                              {const_cast<char*>(text.data()), text.size()}}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  return counted(::sendmsg(fd_.get(), &message, MSG_NOSIGNAL | (more ? MSG_MORE : 0)));
}

ssize_t ClientSocket::send_file(int file, std::uint64_t offset, std::uint64_t length) {
  if (tls_) return counted(tls_->send_file(file, offset, length));
  auto at = static_cast<off_t>(offset);
  return counted(::sendfile(fd_.get(), file, &at, length));
}

ssize_t ClientSocket::counted(ssize_t result) {
  if (result > 0) {
    sent_bytes_ += static_cast<std::uint64_t>(result);
    count(counters_.client_bytes_sent, static_cast<std::uint64_t>(result));
  }
  return result;
}

void ClientSocket::cork(bool on) {
  const int value = on ? 1 : 0;
  // A Unix socket refuses TCP_CORK, but sends no segments, so the result is the same.
  ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_CORK, &value, sizeof value);
}

void ClientSocket::reset_on_close(bool on) {
  if (resets_on_close_ == on) return;
  resets_on_close_ = on;
  const linger value{on ? 1 : 0, 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &value, sizeof value);
}

bool ClientSocket::is_gone() const {
  pollfd polled{fd_.get(), 0, 0};
  return ::poll(&polled, 1, 0) == 1 && (polled.revents & (POLLERR | POLLHUP)) != 0;
}

void ClientSocket::ask_whether_gone() {
  int unsent = 0;
  // If some bytes are unsent, a client that is gone will refuse these bytes, so no interim answer
  // is needed. If no bytes are unsent, the interim answer fits whole into the send buffer.
  if (::ioctl(fd_.get(), SIOCOUTQ, &unsent) != 0 || unsent > 0) return;
  [[maybe_unused]] const ssize_t n = send("HTTP/1.1 100 Continue\r\n\r\n", {}, false);
}

void ClientSocket::end_sending() {
  assert(!resets_on_close_);
  if (tls_) tls_->end_sending();
  ::shutdown(fd_.get(), SHUT_WR);
}

void ClientSocket::close() {
  // A close_notify would make a cut body look whole.
  if (tls_ && !resets_on_close_) tls_->end_sending();
  tls_.reset();
  fd_.reset();
}

}  // namespace layby::server
