// SPDX-License-Identifier: Apache-2.0
//
// TLS on one accepted socket (RFC 8446, RFC 5246), with calls that look like those of the
// socket itself. The handshake goes on within read(). Records are made by the kernel where
// it can (kTLS), else here. Lives on the loop thread.

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

class TlsSession {
 public:
  // `fd` is the owner's, and outlives the session.
  TlsSession(int fd, const TlsIdentity& identity, Counters& counters);

  // As recv(2): bytes, 0 when the client has ended, -1 with errno (EAGAIN: wait until the
  // socket is readable; EPROTO: it doesn't speak TLS rightly). After end_sending() what comes
  // is still sealed, and good for throwing away only.
  ssize_t read(char* into, std::size_t size);
  // Whether bytes of the client are here that read() has not given yet.
  bool has_unread() const;
  // Once the handshake is over: whether the kernel encrypts what is sent (kTLS).
  bool by_kernel() const { return by_kernel_; }

  // As send(2) of one text behind the other; EAGAIN: wait until the socket is writable, then
  // send from the same place on. With `more`, the texts wait for what send_file() sends next,
  // and share a record with it.
  ssize_t send(std::string_view head, std::string_view text, bool more);
  // As sendfile(2).
  ssize_t send_file(int file, std::uint64_t offset, std::uint64_t length);

  // Tells the client that nothing follows.
  void end_sending();

 private:
  ssize_t result_of(int outcome);
  void on_failure();
  void note_handshake();
  ssize_t write(std::string_view bytes);
  ssize_t send_by_kernel(int file, std::uint64_t offset, std::uint64_t length);

  const int fd_;
  Counters& counters_;
  SslPtr ssl_;
  std::string waiting_;       // For send_file().
  bool established_ = false;  // The handshake is over.
  bool by_kernel_ = false;
  bool drained_ = true;  // read() had to wait for more.
  bool failed_ = false;
  bool ended_ = false;
  bool full_ = false;  // The socket took only a part of the last send_file().
};

}  // namespace layby::server

#endif  // LAYBY_SERVER_TLS_SESSION_H_
