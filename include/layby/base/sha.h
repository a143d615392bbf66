// SPDX-License-Identifier: Apache-2.0
//
// SHA-256 and SHA-512 (FIPS 180-4) over OpenSSL's EVP. A Sha takes bytes in portions of any size
// and gives the final hexadecimal digest once. One thread at a time may use a Sha.

#ifndef LAYBY_BASE_SHA_H_
#define LAYBY_BASE_SHA_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>

struct evp_md_ctx_st;

namespace layby {

enum class ShaKind { kSha256, kSha512 };

class Sha {
 public:
  explicit Sha(ShaKind kind);
  Sha(Sha&&) noexcept;
  Sha& operator=(Sha&&) noexcept;
  ~Sha();

  void update(std::string_view data);
  // The digest of the bytes so far. More updates may follow.
  std::string hex_so_far() const;
  // Returns the digest in lower case. No other call may follow.
  std::string finish_hex();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  using Context = std::unique_ptr<evp_md_ctx_st, Free>;
  explicit Sha(Context context) : context_(std::move(context)) {}
  Context context_;
};

std::string sha_hex(ShaKind kind, std::string_view data);

}  // namespace layby

#endif  // LAYBY_BASE_SHA_H_
