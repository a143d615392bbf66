// SPDX-License-Identifier: Apache-2.0
//
// Writes a self-signed certificate and its key to files.

#ifndef LAYBY_TESTS_SUPPORT_CERTIFICATE_H_
#define LAYBY_TESTS_SUPPORT_CERTIFICATE_H_

#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstdio>
#include <memory>
#include <string>

namespace layby::testing {

// Writes the certificate and the key as PEM. `name` becomes the common name. The certificate
// expires in `days` days; a negative number makes an expired certificate.
inline void write_certificate(const std::string& certificate_file, const std::string& key_file,
                              const std::string& name, int days = 365) {
  constexpr long kDay = 24L * 3600;
  const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::unique_ptr<X509, void (*)(X509*)> certificate(X509_new(), X509_free);
  X509_set_version(certificate.get(), X509_VERSION_3);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -kDay * 1000);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), kDay * days);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), subject);
  ASSERT_GT(X509_sign(certificate.get(), key.get(), EVP_sha256()), 0);
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> certificate_out(
      std::fopen(certificate_file.c_str(), "we"), std::fclose);
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> key_out(std::fopen(key_file.c_str(), "we"),
                                                                std::fclose);
  ASSERT_TRUE(certificate_out && key_out);
  ASSERT_EQ(PEM_write_X509(certificate_out.get(), certificate.get()), 1);
  ASSERT_EQ(PEM_write_PrivateKey(key_out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr),
            1);
}

}  // namespace layby::testing

#endif  // LAYBY_TESTS_SUPPORT_CERTIFICATE_H_
