// SPDX-License-Identifier: Apache-2.0
//
// Clients keep their sessions in tickets (RFC 5077, RFC 8446 section 4.6.1), so a thousand
// sessions cost the server no memory. A new identity takes over the keys that encrypt the
// tickets. The keys end with the process.

#include "layby/server/tls_identity.h"

#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <array>
#include <cstdlib>
#include <ctime>
#include <string_view>

#include "server/openssl_ptr.h"

namespace layby::server {
namespace {

// The result of SSL_CTX_get_tlsext_ticket_keys: a name, an HMAC key and an AES key.
using TicketKeys = std::array<unsigned char, 80>;

constexpr long kTicketSeconds = 3600;

int no_password(char*, int, int, void*) { return 0; }

Error wrong_file(const char* what, const std::string& file, const char* wanted) {
  return {ErrorCode::kInvalid, std::string("can't use the ") + what + " in " + file + " (" +
                                   take_openssl_error() + "); " + wanted};
}

// Whether OpenSSL computes AES by instructions of the processor. OpenSSL names its view of the
// processor: OPENSSL_ia32cap(3) describes the bits for x86; arm_arch.h in OpenSSL has the bits for
// ARM.
bool has_aes_instructions() {
  const char* const settings = OPENSSL_info(OPENSSL_INFO_CPU_SETTINGS);
  const std::string_view text = settings != nullptr ? settings : "";
  const auto has_bit = [text](std::string_view name, int bit) {
    const auto at = text.find(name);
    if (at == text.npos) return false;
    return (std::strtoull(text.data() + at + name.size(), nullptr, 16) >> bit & 1) != 0;
  };
  return has_bit("OPENSSL_ia32cap=", 57) || has_bit("OPENSSL_armcap=", 2);
}

void set_rules(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                   SSL_OP_PRIORITIZE_CHACHA | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_ENABLE_KTLS);
  // By software, ChaCha20 is several times as fast as AES. The bytes of all TLS connections are
  // encrypted by one thread, which also answers small requests.
  if (!has_aes_instructions()) {
    SSL_CTX_set_ciphersuites(context,
                             "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:"
                             "TLS_AES_256_GCM_SHA384");
  }
  // RELEASE_BUFFERS frees the buffers of a waiting connection. Reading ahead saves one system call
  // for each record.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_timeout(context, kTicketSeconds);
  SSL_CTX_set_num_tickets(context, 1);
  constexpr std::array<unsigned char, 5> kSessions{'l', 'a', 'y', 'b', 'y'};
  SSL_CTX_set_session_id_context(context, kSessions.data(), kSessions.size());
  SSL_CTX_set_default_passwd_cb(context, no_password);
}

void take_ticket_keys(SSL_CTX* context, SSL_CTX* before) {
  TicketKeys keys{};
  if (SSL_CTX_get_tlsext_ticket_keys(before, keys.data(), keys.size()) != 1) return;
  SSL_CTX_set_tlsext_ticket_keys(context, keys.data(), keys.size());
}

WallTime end_of(const X509* certificate) {
  std::tm utc{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &utc) != 1) return WallTime();
  return WallTime(std::chrono::seconds(::timegm(&utc)));
}

}  // namespace

Result<std::shared_ptr<const TlsIdentity>> TlsIdentity::load(const Files& files,
                                                             const TlsIdentity* before) {
  ERR_clear_error();
  SslContextPtr context(SSL_CTX_new(TLS_server_method()));
  if (!context) return Error{ErrorCode::kIo, "TLS can't be set up: " + take_openssl_error()};
  set_rules(context.get());
  if (SSL_CTX_use_certificate_chain_file(context.get(), files.certificate_file.c_str()) != 1) {
    return wrong_file("certificate", files.certificate_file,
                      "give a PEM file with the server's certificate, then its chain");
  }
  if (SSL_CTX_use_PrivateKey_file(context.get(), files.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    return wrong_file("key", files.key_file,
                      "give a PEM file with the key of the certificate, without a password");
  }
  if (before != nullptr) take_ticket_keys(context.get(), before->context());
  const WallTime end = end_of(SSL_CTX_get0_certificate(context.get()));
  return std::shared_ptr<const TlsIdentity>(new TlsIdentity(context.release(), end));
}

TlsIdentity::~TlsIdentity() { SSL_CTX_free(context_); }

}  // namespace layby::server
