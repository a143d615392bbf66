// SPDX-License-Identifier: Apache-2.0
//
// SHA-256 and SHA-512 over OpenSSL 3's EVP. Each algorithm is fetched once for the process: an
// implicit fetch (EVP_sha256) in each hash would cost more than hashing a small manifest. A failing
// hash (no memory, no provider) ends the process, since unverified content must not be served or
// stored. Invariant: context_ is set until finish_hex() or a move.

#include "layby/base/sha.h"

#include <openssl/evp.h>

#include <array>
#include <cassert>
#include <cstdio>
#include <cstdlib>

#include "layby/base/encoding.h"

namespace layby {
namespace {

void require(bool works) {
  if (works) return;
  std::fputs("layby: OpenSSL can't compute SHA-2 digests; check its provider settings\n", stderr);
  std::abort();
}

const EVP_MD* fetch(const char* name) {
  const EVP_MD* algorithm = EVP_MD_fetch(nullptr, name, nullptr);
  require(algorithm != nullptr);
  return algorithm;
}

const EVP_MD* algorithm_of(ShaKind kind) {
  static const EVP_MD* const sha256 = fetch("SHA2-256");
  static const EVP_MD* const sha512 = fetch("SHA2-512");
  return kind == ShaKind::kSha256 ? sha256 : sha512;
}

}  // namespace

void Sha::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

Sha::Sha(ShaKind kind) : context_(EVP_MD_CTX_new()) {
  require(context_ != nullptr);
  require(EVP_DigestInit_ex2(context_.get(), algorithm_of(kind), nullptr) == 1);
}

Sha::Sha(Sha&&) noexcept = default;
Sha& Sha::operator=(Sha&&) noexcept = default;
Sha::~Sha() = default;

void Sha::update(std::string_view data) {
  assert(context_ != nullptr);
  require(EVP_DigestUpdate(context_.get(), data.data(), data.size()) == 1);
}

std::string Sha::hex_so_far() const {
  assert(context_ != nullptr);
  Sha copy{Context(EVP_MD_CTX_new())};
  require(copy.context_ != nullptr);
  require(EVP_MD_CTX_copy_ex(copy.context_.get(), context_.get()) == 1);
  return copy.finish_hex();
}

std::string Sha::finish_hex() {
  assert(context_ != nullptr);
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned int size = 0;
  require(EVP_DigestFinal_ex(context_.get(), bytes.data(), &size) == 1);
  context_.reset();
  return to_hex({reinterpret_cast<const char*>(bytes.data()), size});
}

std::string sha_hex(ShaKind kind, std::string_view data) {
  Sha sha(kind);
  sha.update(data);
  return sha.finish_hex();
}

}  // namespace layby
