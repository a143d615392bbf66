// SPDX-License-Identifier: Apache-2.0
//
// The identity of a TLS listener: a certificate with its chain, its key, and the rules of
// the handshake (TLS 1.2 and 1.3, sessions resumed by ticket, records made by the kernel
// where possible). A loaded identity never changes. A new certificate needs a new identity,
// which serves later connections.

#ifndef LAYBY_SERVER_TLS_IDENTITY_H_
#define LAYBY_SERVER_TLS_IDENTITY_H_

#include <memory>
#include <string>

#include "layby/base/clock.h"
#include "layby/base/result.h"

struct ssl_ctx_st;

namespace layby::server {

class TlsIdentity {
 public:
  struct Files {
    std::string certificate_file;  // PEM: the server's certificate, then its chain.
    std::string key_file;          // PEM, without a password.
  };

  // Reads both files, and waits for the disk. The message of a kInvalid says which file is wrong
  // and why. Clients of the identity `before`, which may be null, can resume their sessions with
  // the new identity.
  static Result<std::shared_ptr<const TlsIdentity>> load(const Files& files,
                                                         const TlsIdentity* before);
  ~TlsIdentity();

  // The time at which the certificate expires.
  WallTime expires_at() const { return expires_at_; }

  // Only the server module may call context().
  ssl_ctx_st* context() const { return context_; }

  TlsIdentity(const TlsIdentity&) = delete;
  TlsIdentity& operator=(const TlsIdentity&) = delete;

 private:
  TlsIdentity(ssl_ctx_st* context, WallTime expires_at)
      : context_(context), expires_at_(expires_at) {}

  ssl_ctx_st* const context_;
  const WallTime expires_at_;
};

}  // namespace layby::server

#endif  // LAYBY_SERVER_TLS_IDENTITY_H_
