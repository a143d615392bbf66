// SPDX-License-Identifier: Apache-2.0
//
// Firmware files: whole, truncated, changed, signed by others, and written to slots that are
// missing or full.

#include "layby/update/firmware.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <array>
#include <fstream>
#include <memory>
#include <string>

#include "layby/base/sha.h"
#include "support/temp_dir.h"

namespace layby::update {
namespace {

using Key = std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)>;

Key new_key() { return {EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), EVP_PKEY_free}; }

std::string hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string signature_line(EVP_PKEY* key, std::string_view text) {
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(),
                                                                   EVP_MD_CTX_free);
  std::array<unsigned char, 64> bytes{};
  std::size_t size = bytes.size();
  EXPECT_EQ(EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key), 1);
  EXPECT_EQ(EVP_DigestSign(context.get(), bytes.data(), &size,
                           reinterpret_cast<const unsigned char*>(text.data()), text.size()),
            1);
  return "signature=" + hex({reinterpret_cast<const char*>(bytes.data()), size}) + "\n";
}

class FirmwareTest : public ::testing::Test {
 protected:
  FirmwareTest() : key_(new_key()) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> out(std::fopen(key_file_.c_str(), "we"),
                                                              std::fclose);
    EXPECT_EQ(PEM_write_PUBKEY(out.get(), key_.get()), 1);
    for (std::size_t i = 0; i < slot_.size(); ++i) slot_[i] = static_cast<char>(i * 31 + i / 251);
  }

  std::string head() const {
    return "layby-firmware 1\nboard=x86_64\nversion=0.1.0\nbuilt=1764000000\nsize=" +
           std::to_string(slot_.size()) + "\nsha256=" + sha_hex(ShaKind::kSha256, slot_) + "\n";
  }
  std::string signed_head() const { return head() + signature_line(key_.get(), head()); }

  void save(const std::string& bytes) { std::ofstream(path_, std::ios::binary) << bytes; }
  Result<Firmware> open() { return Firmware::open(path_, key_file_); }
  ErrorCode refusal() {
    const auto firmware = open();
    EXPECT_FALSE(firmware.ok());
    return firmware ? ErrorCode::kCancelled : firmware.error().code;
  }

  testing::TempDir dir_;
  const std::string path_ = dir_.path() + "/firmware";
  const std::string key_file_ = dir_.path() + "/key.pub";
  const std::string device_ = dir_.path() + "/slot";
  const Key key_;
  std::string slot_ = std::string(300'000, '\0');
};

TEST_F(FirmwareTest, ReadsAndWritesAWholeFirmwareFile) {
  save(signed_head() + slot_);
  const auto firmware = open();
  ASSERT_TRUE(firmware.ok()) << firmware.error().message;
  EXPECT_EQ(firmware->facts().board, "x86_64");
  EXPECT_EQ(firmware->facts().version, "0.1.0");
  EXPECT_EQ(firmware->facts().built, 1764000000u);
  save(signed_head() + slot_);
  std::ofstream(device_) << std::string(400'000, 'o');
  ASSERT_TRUE(firmware->write_to(device_).ok());
  std::ifstream written(device_, std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(written), {});
  ASSERT_EQ(bytes.size(), 400'000u);
  EXPECT_TRUE(bytes.starts_with(slot_));
  EXPECT_EQ(bytes[slot_.size()], 'o');
}

TEST_F(FirmwareTest, RefusesFilesThatHoldNoFirmware) {
  for (const std::string& bytes : {std::string(), std::string("hello"),
                                   std::string("layby-firmware 2\nboard=x86_64\n"), head()}) {
    save(bytes);
    EXPECT_EQ(refusal(), ErrorCode::kInvalid) << bytes;
  }
}

TEST_F(FirmwareTest, RefusesASignatureByAnotherKey) {
  const Key other = new_key();
  save(head() + signature_line(other.get(), head()) + slot_);
  EXPECT_EQ(refusal(), ErrorCode::kDenied);
  save(head() + "signature=" + std::string(128, '0') + "\n" + slot_);
  EXPECT_EQ(refusal(), ErrorCode::kDenied);
}

TEST_F(FirmwareTest, RefusesAChangedHead) {
  std::string changed = signed_head();
  changed.replace(changed.find("x86_64"), 6, "x86_65");
  save(changed + slot_);
  EXPECT_EQ(refusal(), ErrorCode::kDenied);
}

TEST_F(FirmwareTest, RefusesAChangedSlot) {
  std::string changed = slot_;
  changed[200'000] ^= 1;
  save(signed_head() + changed);
  EXPECT_EQ(refusal(), ErrorCode::kCorrupt);
}

TEST_F(FirmwareTest, RefusesATruncatedFirmwareFile) {
  const std::string whole = signed_head() + slot_;
  for (std::size_t size = 0; size < signed_head().size(); ++size) {
    save(whole.substr(0, size));
    ASSERT_EQ(refusal(), ErrorCode::kInvalid) << size;
  }
  for (const std::size_t size : {signed_head().size(), whole.size() / 2, whole.size() - 1}) {
    save(whole.substr(0, size));
    ASSERT_EQ(refusal(), ErrorCode::kCorrupt) << size;
  }
}

TEST_F(FirmwareTest, RefusesAnInvalidKey) {
  save(signed_head() + slot_);
  std::ofstream(key_file_) << "no key";
  EXPECT_EQ(refusal(), ErrorCode::kInvalid);
}

TEST_F(FirmwareTest, ReportsASlotThatCannotBeWritten) {
  save(signed_head() + slot_);
  const auto firmware = open();
  ASSERT_TRUE(firmware.ok());
  EXPECT_FALSE(firmware->write_to(dir_.path() + "/none").ok());
  const Status full = firmware->write_to("/dev/full");
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code, ErrorCode::kNoSpace);
}

}  // namespace
}  // namespace layby::update
