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

// What the head says.
struct FirmwareFacts {
  std::string board;             // The name of a folder of board/.
  std::string version;           // "0.1.0"
  std::uint64_t built = 0;       // Seconds since 1970; larger in newer firmware.
  std::uint64_t size_bytes = 0;  // Of the slot's contents.
  std::string sha256;            // Of the slot's contents, lower-case hexadecimal.
  bool operator==(const FirmwareFacts&) const = default;
};

// The head at the beginning of `text`, the argument of parse_head.
struct FirmwareHead {
  FirmwareFacts facts;
  std::string_view signed_text;  // Within `text`.
  std::string signature;         // 64 bytes.
  std::size_t size_bytes = 0;    // Of the head; the slot's contents begin there.
};

inline constexpr std::size_t kMaxHeadBytes = 1024;

// kInvalid: `text` begins no firmware file, or its format is newer than this program.
Result<FirmwareHead> parse_head(std::string_view text);

class Firmware {
 public:
  // Opens the firmware file `path` and checks all of it. `key_file` has the signer's
  // public key (PEM, Ed25519). kInvalid: the file holds no firmware, or the key is none; kDenied:
  // the signature isn't by this key; kCorrupt: the bytes aren't the signed ones.
  static Result<Firmware> open(const std::string& path, const std::string& key_file);

  const FirmwareFacts& facts() const { return facts_; }

  // Writes the slot's contents to `device`, a block device or a file, and reads them back from
  // the medium. kNoSpace: `device` is too small; kCorrupt: `device` gives back other bytes.
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
