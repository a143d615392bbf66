// SPDX-License-Identifier: Apache-2.0
//
// Owning pointers of OpenSSL's objects, and OpenSSL's errors as text.

#ifndef LAYBY_SERVER_OPENSSL_PTR_H_
#define LAYBY_SERVER_OPENSSL_PTR_H_

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <system_error>

namespace layby::server {

struct FreeSslContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
struct FreeSsl {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

using SslContextPtr = std::unique_ptr<SSL_CTX, FreeSslContext>;
using SslPtr = std::unique_ptr<SSL, FreeSsl>;

// Returns the first error of this thread's queue and empties the queue.
inline std::string take_openssl_error() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (ERR_SYSTEM_ERROR(code)) return std::generic_category().message(ERR_GET_REASON(code));
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "error " + std::to_string(code);
}

}  // namespace layby::server

#endif  // LAYBY_SERVER_OPENSSL_PTR_H_
