// SPDX-License-Identifier: Apache-2.0
//
// An accepted socket, plain or with TLS, with the same functions for both kinds. read(), send()
// and send_file() return and set errno as recv(2), send(2) and sendfile(2) do. The bytes that go
// out are counted here. Lives on the loop thread.

#ifndef LAYBY_SERVER_CLIENT_SOCKET_H_
#define LAYBY_SERVER_CLIENT_SOCKET_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "layby/base/fd.h"
#include "server/tls_session.h"

namespace layby::server {

class ClientSocket {
 public:
  // `fd` is non-blocking. A null `identity` means a socket without TLS.
  ClientSocket(UniqueFd fd, const TlsIdentity* identity, Counters& counters);

  int fd() const { return fd_.get(); }

  ssize_t read(char* into, std::size_t size);
  // Whether read() can give bytes that have left the kernel. epoll doesn't report such bytes.
  bool has_unread() const { return tls_ && tls_->has_unread(); }

  // Sends `head`, then `text`. With `more`, `head` and `text` go out together with what comes next.
  // A send_file() must follow, or, if joins_end() is true, end_sending() or close().
  ssize_t send(std::string_view head, std::string_view text, bool more);
  ssize_t send_file(int file, std::uint64_t offset, std::uint64_t length);
  // The number of bytes that send() and send_file() have taken so far.
  std::uint64_t sent_bytes() const { return sent_bytes_; }

  // Whether bytes can go out in one segment with the end of the connection.
  bool joins_end() const { return !tls_; }

  // Whether this process encrypts the sent bytes. False without TLS, and false with kTLS.
  bool encrypts() const { return tls_ && !tls_->by_kernel(); }

  // While the cork is on, the kernel sends only full segments, and a shorter segment after 200 ms
  // (TCP_CORK).
  void cork(bool on);

  // With `on`, closing the socket resets the connection, so that the client does not take the end
  // of the connection for the end of the answer (SO_LINGER). The connection is reset even when
  // the process is killed. A Unix socket can't be reset.
  void reset_on_close(bool on);

  // Whether both directions of the connection have ended. A client that has closed its TCP socket
  // looks like a client that only ended its own direction, until the client refuses bytes (RFC
  // 9293, section 3.10.7.1).
  bool is_gone() const;
  // Sends an interim answer (RFC 9110, section 15.2.1), which every HTTP/1.1 client ignores. A
  // client that has closed its socket refuses the interim answer, and is_gone() soon returns true.
  // Call this function only after all earlier answers were sent and before the next answer begins.
  void ask_whether_gone();

  // Closes our direction of the connection; the client may still send.
  void end_sending();
  void close();

 private:
  ssize_t counted(ssize_t result);

  Counters& counters_;
  UniqueFd fd_;
  std::unique_ptr<TlsSession> tls_;
  std::uint64_t sent_bytes_ = 0;
  bool resets_on_close_ = false;
};

}  // namespace layby::server

#endif  // LAYBY_SERVER_CLIENT_SOCKET_H_
