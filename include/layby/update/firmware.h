// SPDX-License-Identifier: Apache-2.0
//
// Firmware: the file that updates an appliance. A signed text head says what the firmware is
// for; the contents of a root slot follow. docs/appliance.md has the format. A Firmware exists
// only after its signature and all its bytes have been checked, so no slot is written from an
// unchecked file. Blocks; not for the daemon's loop.

#ifndef LAYBY_UPDATE_FIRMWARE_H_
#define LAYBY_UPDATE_FIRMWARE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "layby/base/fd.h"
#include "layby/base/result.h"

namespace layby::update {

// The facts in the head of a firmware file.
struct FirmwareFacts {
  std::string board;             // The name of a folder of board/.
  std::string version;           // "0.1.0"
  std::uint64_t built = 0;       // Seconds since 1970; larger in newer firmware.
  std::uint64_t size_bytes = 0;  // The size of the slot's contents.
  std::string sha256;            // Hash of the slot's contents, lower-case hexadecimal.
  bool operator==(const FirmwareFacts&) const = default;
};

// The head of a firmware file, as parse_head finds it in `text`.
struct FirmwareHead {
  FirmwareFacts facts;
  std::string_view signed_text;  // A part of `text`.
  std::string signature;         // 64 bytes.
  std::size_t size_bytes = 0;    // The head's size; the slot's contents follow.
};

inline constexpr std::size_t kMaxHeadBytes = 1024;

// `text` is the beginning of a firmware file. kInvalid: `text` has no valid head, or a format that
// this program doesn't know.
Result<FirmwareHead> parse_head(std::string_view text);

class Firmware {
 public:
  // Opens the firmware file `path` and checks the whole file. `key_file` has the signer's public
  // key (PEM, Ed25519). kInvalid: `path` is no firmware file, or `key_file` has no key. kDenied:
  // the signature is not by this key. kCorrupt: the slot's contents aren't the signed contents.
  static Result<Firmware> open(const std::string& path, const std::string& key_file);

  const FirmwareFacts& facts() const { return facts_; }

  // Writes the slot's contents to `device`, a block device or a file, and reads the written bytes
  // back. kNoSpace: the block device is too small. kCorrupt: `device` gives back other bytes.
  Status write_to(const std::string& device) const;

 private:
  Firmware(UniqueFd file, FirmwareFacts facts, std::uint64_t begins_at)
      : file_(std::move(file)), facts_(std::move(facts)), begins_at_(begins_at) {}

  UniqueFd file_;
  FirmwareFacts facts_;
  std::uint64_t begins_at_;
};

}  // namespace layby::update

#endif  // LAYBY_UPDATE_FIRMWARE_H_
