// SPDX-License-Identifier: Apache-2.0
//
// Firmware files. The first line of the input has options; the rest is the file. Three options
// change the file, in this order: 'h' puts the right size and hash into the head, 's' signs the
// head with a fixed key, 'c' changes one bit. So the fuzzer gets past the check of the signature. A
// file must be accepted if the fixed key has signed its head and the head states the hash of its
// contents, and must be refused otherwise. Accepted contents are written to a slot.

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>

#include "heap.h"
#include "layby/base/fd.h"
#include "layby/base/sha.h"
#include "layby/update/firmware.h"
#include "require.h"

namespace layby::fuzz {
namespace {

// The bound allows one piece of the contents (1 MiB), and OpenSSL's memory for a key.
constexpr std::uint64_t kMostHeapBytes = (1 << 20) + (256 << 10);
constexpr std::size_t kSignatureBytes = 64;

// A file in memory, which has a path.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view bytes) : fd_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    require(write_at(fd_.get(), bytes, 0).ok(), "a file in memory can be written");
  }
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_.get()); }
  std::string bytes() const { return read_file(path(), UINT64_MAX).value(); }

 private:
  UniqueFd fd_;
};

class Signer {
 public:
  Signer()
      : key_(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, kSeed.data(), kSeed.size()),
             EVP_PKEY_free),
        public_key_(pem()) {}

  std::string key_file() const { return public_key_.path(); }
  // Ed25519 has one signature for a key and a text (RFC 8032, section 5.1.6).
  std::string sign(std::string_view text) const {
    const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(),
                                                                     EVP_MD_CTX_free);
    std::string signature(kSignatureBytes, '\0');
    std::size_t size = signature.size();
    require(
        EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1 &&
            EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                           reinterpret_cast<const unsigned char*>(text.data()), text.size()) == 1,
        "OpenSSL can sign");
    return signature;
  }

 private:
  static constexpr std::array<unsigned char, 32> kSeed{'l', 'a', 'y', 'b', 'y'};

  std::string pem() const {
    const std::unique_ptr<BIO, int (*)(BIO*)> out(BIO_new(BIO_s_mem()), BIO_free);
    require(PEM_write_bio_PUBKEY(out.get(), key_.get()) == 1, "OpenSSL can write a key");
    char* text = nullptr;
    const long size = BIO_get_mem_data(out.get(), &text);
    return {text, static_cast<std::size_t>(size)};
  }

  const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key_;
  const MemoryFile public_key_;
};

const Signer& signer() {
  static const Signer one;
  return one;
}

std::string sha256(std::string_view bytes) {
  Sha sha(ShaKind::kSha256);
  sha.update(bytes);
  return sha.finish_hex();
}

std::string hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += {kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return text;
}

// Where the line of `text` that begins with `name` begins and ends. The line feed belongs to the
// line. Without such a line, both are the end of `text`.
struct Line {
  std::size_t begin = 0;
  std::size_t end = 0;
};
Line find_line(std::string_view text, std::string_view name) {
  const std::size_t at = text.find("\n" + std::string(name));
  if (at == std::string_view::npos) return {text.size(), text.size()};
  const std::size_t end = text.find('\n', at + 1);
  return {at + 1, end == std::string_view::npos ? text.size() : end + 1};
}

void replace_line(std::string& text, std::string_view name, const std::string& value) {
  const Line line = find_line(text, name);
  if (line.begin == line.end) return;
  text.replace(line.begin, line.end - line.begin, std::string(name) + value + "\n");
}

// The file of the input.
std::string file_of(std::string_view options, std::string_view input) {
  const Line signature = find_line(input, "signature=");
  std::string head(input.substr(0, signature.begin));
  std::string line(input.substr(signature.begin, signature.end - signature.begin));
  const std::string_view contents = input.substr(signature.end);
  if (has_option(options, 'h')) {
    replace_line(head, "size=", std::to_string(contents.size()));
    replace_line(head, "sha256=", sha256(contents));
  }
  if (has_option(options, 's')) line = "signature=" + hex(signer().sign(head)) + "\n";
  std::string file = head + line + std::string(contents);
  if (has_option(options, 'c') && !file.empty()) file[input.size() * 7 % file.size()] ^= 1;
  return file;
}

// `head` was read from the beginning of `file`.
void check_head(const update::FirmwareHead& head, std::string_view file) {
  const update::FirmwareFacts& facts = head.facts;
  require(head.size_bytes <= file.size(), "a head ends in the file");
  require(head.signature.size() == kSignatureBytes && facts.sha256.size() == 64,
          "a head has a signature and a hash");
  require(file.starts_with(head.signed_text), "the head's begin is signed");
  require(file.substr(head.signed_text.size(), head.size_bytes - head.signed_text.size()) ==
              "signature=" + hex(head.signature) + "\n",
          "only the signature isn't signed");
  require(head.signed_text.starts_with("layby-firmware 1\nboard=" + facts.board +
                                       "\nversion=" + facts.version + "\nbuilt="),
          "the facts stand in the signed text");
  require(head.signed_text.ends_with("\nsha256=" + facts.sha256 + "\n"), "the hash is signed");
  require((facts.board + facts.version).find('\n') == std::string::npos, "a fact is one line");
}

// Whether the key has signed exactly this file.
bool is_signed(std::string_view file) {
  const auto head = update::parse_head(file.substr(0, update::kMaxHeadBytes));
  if (!head) return false;
  const std::string_view contents = file.substr(head->size_bytes);
  return head->signature == signer().sign(head->signed_text) &&
         contents.size() >= head->facts.size_bytes &&
         sha256(contents.substr(0, head->facts.size_bytes)) == head->facts.sha256;
}

void check_writing(const update::Firmware& firmware, std::string_view file) {
  const MemoryFile slot("");
  require(firmware.write_to(slot.path()).ok(), "firmware can be written to a slot");
  const std::string written = slot.bytes();
  require(written.size() == firmware.facts().size_bytes &&
              sha256(written) == firmware.facts().sha256 &&
              file.find(written) != std::string_view::npos,
          "the slot has the signed contents");
}

void check(std::string_view input) {
  const std::string_view options = take_line(input);
  const std::string file = file_of(options, input);
  const auto head = update::parse_head(file);
  if (head) check_head(*head, file);
  const MemoryFile stored(file);
  const std::string key_file = signer().key_file();
  const HeapPeak peak;
  const auto firmware = update::Firmware::open(stored.path(), key_file);
  require(peak.bytes() <= kMostHeapBytes, "the memory has a bound, whatever the size says");
  require(firmware.ok() == is_signed(file), "a file is accepted exactly if the key has signed it");
  if (firmware.ok()) return check_writing(*firmware, file);
  require(!firmware.error().message.empty(), "a refusal says why");
}

}  // namespace
}  // namespace layby::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  layby::fuzz::check(layby::fuzz::as_text(data, size));
  return 0;
}
