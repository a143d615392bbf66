// SPDX-License-Identifier: Apache-2.0
//
// An accepted socket, plain or under TLS, with the same calls for both: each returns what
// the system call of that name would, with errno. Lives on the loop thread.

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
  // Non-blocking. Without an identity it is plain.
  ClientSocket(UniqueFd fd, const TlsIdentity* identity, Counters& counters);

  int fd() const { return fd_.get(); }

  ssize_t read(char* into, std::size_t size);
  // Whether bytes are here that the kernel does not know of any more.
  bool has_unread() const { return tls_ && tls_->has_unread(); }

  // One text behind the other. With `more`, what follows by send_file() goes with them.
  ssize_t send(std::string_view head, std::string_view text, bool more);
  ssize_t send_file(int file, std::uint64_t offset, std::uint64_t length);

  // Whether what is sent is encrypted here, and not by the kernel.
  bool encrypts() const { return tls_ && !tls_->by_kernel(); }

  // While it is on, only full segments go out, or what has waited for 200 ms (TCP_CORK).
  void cork(bool on);

  // Our end is closed; the client may still send.
  void end_sending();
  void close();

 private:
  UniqueFd fd_;
  std::unique_ptr<TlsSession> tls_;
};

}  // namespace layby::server

#endif  // LAYBY_SERVER_CLIENT_SOCKET_H_
