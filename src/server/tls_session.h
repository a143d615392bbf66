// SPDX-License-Identifier: Apache-2.0
//
// TLS on one accepted socket (RFC 8446, RFC 5246), with functions that look like a socket's
// system calls. The handshake runs inside read(). The kernel makes the records if it can (kTLS);
// otherwise OpenSSL makes the records. Lives on the loop thread.

#ifndef LAYBY_SERVER_TLS_SESSION_H_
#define LAYBY_SERVER_TLS_SESSION_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "layby/base/counters.h"
#include "layby/server/tls_identity.h"
#include "server/openssl_ptr.h"

namespace layby::server {

enum class TlsState {
  kHandshaking,  // The handshake runs inside read().
  kEstablished,  // Both sides can send.
  kFailed,       // The protocol or the socket failed. read() and the sending calls fail.
  kEnded,        // Our end is closed. read() gives the client's bytes without decrypting.
};

class TlsSession {
 public:
  // `fd` belongs to the caller and outlives the session.
  TlsSession(int fd, const TlsIdentity& identity, Counters& counters);

  // Like recv(2): the number of bytes, 0 when the client has ended, or -1 with errno. On EAGAIN
  // the caller waits until the socket is readable. EPROTO means that the TLS protocol failed.
  // After end_sending() the bytes are not decrypted, and can only be thrown away.
  ssize_t read(char* into, std::size_t size);
  // Whether OpenSSL has bytes of the client in memory that read() has not returned yet.
  bool has_unread() const;
  // Whether the kernel encrypts the sent bytes (kTLS). False until the handshake is over.
  bool by_kernel() const { return by_kernel_; }

  // Like send(2) of `head`, then `text`. On EAGAIN the caller waits until the socket is writable,
  // then sends from the same byte on. With `more`, `head` and `text` wait for the next
  // send_file(); without kTLS they then share a record with bytes of the file.
  ssize_t send(std::string_view head, std::string_view text, bool more);
  // Like sendfile(2); `length` is above 0.
  ssize_t send_file(int file, std::uint64_t offset, std::uint64_t length);

  // Tells the client by close_notify that no bytes follow. read() then stops decrypting.
  void end_sending();

 private:
  ssize_t result_of(int outcome);
  void fail();
  void on_protocol_error();
  void note_handshake();
  ssize_t write(std::string_view bytes);
  ssize_t send_by_kernel(int file, std::uint64_t offset, std::uint64_t length);
  void enter(TlsState state);

  const int fd_;
  Counters& counters_;
  SslPtr ssl_;
  TlsState state_ = TlsState::kHandshaking;
  std::string waiting_;  // Bytes that send() took and the next send_file() sends.
  bool by_kernel_ = false;
  bool drained_ = true;  // The last read() found no whole record.
  bool full_ = false;    // The socket had no room for all bytes of the last send_file().
};

}  // namespace layby::server

#endif  // LAYBY_SERVER_TLS_SESSION_H_
