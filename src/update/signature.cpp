// SPDX-License-Identifier: Apache-2.0

#include "update/signature.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <cassert>
#include <climits>
#include <memory>

namespace layby::update {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

Status check_signature(const std::string& key_pem, std::string_view text,
                       std::string_view signature) {
  assert(signature.size() == kSignatureBytes);
  assert(key_pem.size() <= INT_MAX);
  const Owned<BIO> pem(BIO_new_mem_buf(key_pem.data(), static_cast<int>(key_pem.size())));
  const Owned<EVP_PKEY> key(pem ? PEM_read_bio_PUBKEY(pem.get(), nullptr, nullptr, nullptr)
                                : nullptr);
  if (!key || EVP_PKEY_get_id(key.get()) != EVP_PKEY_ED25519) {
    return Error{ErrorCode::kInvalid, "the key is no public Ed25519 key in PEM"};
  }
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  if (!context || EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) != 1) {
    return Error{ErrorCode::kIo, "OpenSSL can't check an Ed25519 signature"};
  }
  if (EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(text),
                       text.size()) != 1) {
    return Error{ErrorCode::kDenied, "it isn't signed with the key that this box trusts"};
  }
  return {};
}

}  // namespace layby::update
