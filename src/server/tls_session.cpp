// SPDX-License-Identifier: Apache-2.0
//
// Without kTLS, one read of the file fills several records of the largest size. A record
// that the socket has no room for stays in OpenSSL, and goes out first when the caller sends
// the same bytes again. Callers always go on after the last byte that was taken.
//
// Invariants: nothing is sent after end_sending(). waiting_ is empty whenever send() begins,
// and no byte of a file is counted as sent before waiting_ is out. by_kernel_ is set only
// after the handshake.

#include "server/tls_session.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <utility>

#include "layby/base/log.h"

namespace layby::server {
namespace {

constexpr std::size_t kRecordBytes = SSL3_RT_MAX_PLAIN_LENGTH;
constexpr std::size_t kPieceBytes = 4 * kRecordBytes;

constexpr std::string_view kPlainHttp =
    "HTTP/1.1 400 Bad Request\r\nServer: layby\r\nX-Content-Type-Options: nosniff\r\n"
    "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 71\r\nConnection: close\r\n\r\n"
    "layby: this port speaks TLS and got a plain HTTP request; use https://\n";

ssize_t failure(int system_error) {
  errno = system_error;
  return -1;
}

[[maybe_unused]] constexpr bool may_follow(TlsState from, TlsState to) {
  switch (to) {
    case TlsState::kHandshaking:
      return false;
    case TlsState::kEstablished:
      return from == TlsState::kHandshaking;
    case TlsState::kFailed:
      return from == TlsState::kHandshaking || from == TlsState::kEstablished;
    case TlsState::kEnded:
      return from != TlsState::kEnded;
  }
  return false;
}

}  // namespace

TlsSession::TlsSession(int fd, const TlsIdentity& identity, Counters& counters)
    : fd_(fd), counters_(counters), ssl_(SSL_new(identity.context())) {
  if (!ssl_ || SSL_set_fd(ssl_.get(), fd) != 1) {
    enter(TlsState::kFailed);
  } else {
    SSL_set_accept_state(ssl_.get());
  }
}

ssize_t TlsSession::read(char* into, std::size_t size) {
  if (state_ == TlsState::kEnded) return ::recv(fd_, into, size, 0);
  if (state_ == TlsState::kFailed) return failure(EPROTO);
  ERR_clear_error();
  const int n = SSL_read(ssl_.get(), into, static_cast<int>(size));
  if (state_ == TlsState::kHandshaking) note_handshake();
  drained_ = n <= 0;
  return result_of(n);
}

bool TlsSession::has_unread() const {
  const bool reads = state_ == TlsState::kHandshaking || state_ == TlsState::kEstablished;
  return reads && !drained_ && SSL_has_pending(ssl_.get()) != 0;
}

void TlsSession::note_handshake() {
  if (SSL_is_init_finished(ssl_.get()) == 0) return;
  enter(TlsState::kEstablished);
  by_kernel_ = BIO_get_ktls_send(SSL_get_wbio(ssl_.get())) != 0;
  count(counters_.tls_handshakes);
  if (SSL_session_reused(ssl_.get()) != 0) count(counters_.tls_resumptions);
  if (by_kernel_) count(counters_.tls_by_kernel);
}

ssize_t TlsSession::result_of(int outcome) {
  if (outcome > 0) return outcome;
  const int system_error = errno;
  switch (SSL_get_error(ssl_.get(), outcome)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return failure(EAGAIN);
    case SSL_ERROR_ZERO_RETURN:
      return 0;
    case SSL_ERROR_SYSCALL:
      fail();
      return failure(system_error != 0 ? system_error : ECONNRESET);
    default:
      on_protocol_error();
      return failure(EPROTO);
  }
}

void TlsSession::fail() {
  if (state_ == TlsState::kHandshaking) count(counters_.tls_failures);
  enter(TlsState::kFailed);
}

void TlsSession::on_protocol_error() {
  fail();
  const bool is_http = ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST;
  log::debug("TLS failed: {}", take_openssl_error());
  if (!is_http) return;
  // If the socket can't take the answer, the client sees only the close.
  [[maybe_unused]] const ssize_t n =
      ::send(fd_, kPlainHttp.data(), kPlainHttp.size(), MSG_NOSIGNAL);
}

ssize_t TlsSession::write(std::string_view bytes) {
  assert(state_ != TlsState::kEnded && !bytes.empty());
  if (state_ == TlsState::kFailed) return failure(EPROTO);
  ERR_clear_error();
  const std::size_t size = std::min(bytes.size(), kRecordBytes);
  const ssize_t n = result_of(SSL_write(ssl_.get(), bytes.data(), static_cast<int>(size)));
  return n == 0 ? failure(EPIPE) : n;  // 0 means that the client has ended.
}

ssize_t TlsSession::send(std::string_view head, std::string_view text, bool more) {
  assert(waiting_.empty());
  if (more) {
    waiting_.append(head).append(text);
    return static_cast<ssize_t>(head.size() + text.size());
  }
  if (text.empty() || head.empty()) return write(text.empty() ? head : text);
  std::array<char, kRecordBytes> record;
  const std::size_t from_head = head.copy(record.data(), record.size());
  const std::size_t from_text = text.copy(record.data() + from_head, record.size() - from_head);
  return write({record.data(), from_head + from_text});
}

ssize_t TlsSession::send_file(int file, std::uint64_t offset, std::uint64_t length) {
  assert(length > 0);
  if (by_kernel_) return send_by_kernel(file, offset, length);
  if (std::exchange(full_, false)) return failure(EAGAIN);
  std::array<char, kPieceBytes> piece;
  const std::size_t ahead = waiting_.copy(piece.data(), piece.size());
  assert(ahead < kRecordBytes);  // The head of a blob answer fits into one record.
  const ssize_t n =
      ::pread(file, piece.data() + ahead, std::min<std::uint64_t>(length, piece.size() - ahead),
              static_cast<off_t>(offset));
  if (n <= 0) return n;
  const std::string_view all(piece.data(), ahead + static_cast<std::size_t>(n));
  std::size_t sent = 0;
  while (sent < all.size()) {
    const ssize_t taken = write(all.substr(sent));
    if (taken < 0) break;
    sent += static_cast<std::size_t>(taken);
  }
  waiting_.erase(0, std::min(sent, ahead));
  if (sent <= ahead) return -1;  // write() has set errno.
  assert(waiting_.empty());
  full_ = sent < all.size() && errno == EAGAIN;
  return static_cast<ssize_t>(sent - ahead);
}

ssize_t TlsSession::send_by_kernel(int file, std::uint64_t offset, std::uint64_t length) {
  assert(state_ == TlsState::kEstablished || state_ == TlsState::kFailed);
  if (state_ == TlsState::kFailed) return failure(EPROTO);
  if (!waiting_.empty()) {
    const ssize_t n = write(waiting_);
    if (n < 0) return n;
    waiting_.erase(0, static_cast<std::size_t>(n));
    if (!waiting_.empty()) return failure(EAGAIN);
  }
  ERR_clear_error();
  const ossl_ssize_t n = SSL_sendfile(ssl_.get(), file, static_cast<off_t>(offset), length, 0);
  if (n >= 0) return n;
  if (SSL_want_write(ssl_.get()) && BIO_should_retry(SSL_get_wbio(ssl_.get()))) {
    return failure(EAGAIN);
  }
  // OpenSSL gives no useful error for SSL_sendfile, so the system's errno is returned. EIO means
  // that the disk fails; other values mean that the client is gone.
  const int system_error = errno;
  fail();
  ERR_clear_error();
  return failure(system_error != 0 ? system_error : EPROTO);
}

void TlsSession::end_sending() {
  if (state_ == TlsState::kEnded) return;
  const bool tells = state_ == TlsState::kEstablished;
  enter(TlsState::kEnded);
  if (!tells) return;
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

void TlsSession::enter(TlsState state) {
  assert(may_follow(state_, state));
  state_ = state;
}

}  // namespace layby::server
