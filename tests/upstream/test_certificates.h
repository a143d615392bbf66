// SPDX-License-Identifier: Apache-2.0
//
// A certification authority that is made for each test, and server certificates that the
// authority signs. The keys are elliptic-curve keys, because making such a key takes no time.

#ifndef LAYBY_TESTS_UPSTREAM_TEST_CERTIFICATES_H_
#define LAYBY_TESTS_UPSTREAM_TEST_CERTIFICATES_H_

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>

namespace layby::testing {

struct FreeTls {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, FreeTls>;
using CertificatePtr = std::unique_ptr<X509, FreeTls>;
using TlsPtr = std::unique_ptr<SSL_CTX, FreeTls>;

class TestAuthority {
 public:
  TestAuthority() : key_(EVP_EC_gen("P-256")) {
    certificate_ = make("Test Authority", key_.get(), "CA:TRUE", "");
  }

  // Writes the authority's own certificate as PEM.
  void write(const std::string& path) const {
    std::FILE* file = std::fopen(path.c_str(), "w");
    if (file == nullptr || PEM_write_X509(file, certificate_.get()) != 1) {
      throw std::runtime_error("can't write " + path);
    }
    std::fclose(file);
  }

  // A server's side of TLS, for `names` such as "DNS:localhost" or "IP:127.0.0.1".
  TlsPtr server(const std::string& names) const {
    const KeyPtr key(EVP_EC_gen("P-256"));
    const CertificatePtr certificate = make("Test Server", key.get(), "CA:FALSE", names);
    TlsPtr context(SSL_CTX_new(TLS_server_method()));
    SSL_CTX_use_certificate(context.get(), certificate.get());
    SSL_CTX_use_PrivateKey(context.get(), key.get());
    return context;
  }

 private:
  // Makes a certificate that this authority signs. The first certificate is the authority's own,
  // which is self-signed.
  CertificatePtr make(const char* name, EVP_PKEY* key, const char* constraints,
                      const std::string& names) const {
    CertificatePtr made(X509_new());
    X509* x = made.get();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), certificate_ ? 2 : 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(certificate_ ? certificate_.get() : x));
    extend(x, NID_basic_constraints, constraints);
    if (!names.empty()) extend(x, NID_subject_alt_name, names.c_str());
    if (X509_sign(x, key_.get(), EVP_sha256()) == 0) throw std::runtime_error("can't sign");
    return made;
  }
  static void extend(X509* x, int nid, const char* value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value);
    X509_add_ext(x, extension, -1);
    X509_EXTENSION_free(extension);
  }

  KeyPtr key_;
  CertificatePtr certificate_;
};

}  // namespace layby::testing

#endif  // LAYBY_TESTS_UPSTREAM_TEST_CERTIFICATES_H_
