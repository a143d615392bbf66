// SPDX-License-Identifier: Apache-2.0
//
// The file that updates an appliance: a head of text that says what it is for, signed, and
// behind it what a root slot holds. docs/appliance.md has the format. Nothing of a bundle
// is believed before its signature is checked, and no slot is touched before all its bytes
// are. Blocks; not for the daemon's loop.

#ifndef LAYBY_UPDATE_BUNDLE_H_
#define LAYBY_UPDATE_BUNDLE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "layby/base/fd.h"
#include "layby/base/result.h"

namespace layby::update {

// What the head says.
struct BundleFacts {
  std::string board;             // As a folder of board/ is named.
  std::string version;           // "0.1.0"
  std::uint64_t built = 0;       // Seconds since 1970; what is newer has more.
  std::uint64_t size_bytes = 0;  // Of the slot.
  std::string sha256;            // Of the slot, lower-case hexadecimal.
  bool operator==(const BundleFacts&) const = default;
};

// A head of which `text` is the beginning.
struct BundleHead {
  BundleFacts facts;
  std::string_view signed_text;  // Within `text`.
  std::string signature;         // 64 bytes.
  std::size_t size_bytes = 0;    // Of the head; the slot begins there.
};

inline constexpr std::size_t kMaxHeadBytes = 1024;

// kInvalid: it isn't a bundle, or of a format that is newer than this program.
Result<BundleHead> parse_head(std::string_view text);

class Bundle {
 public:
  // The bundle in the file `path`, which is whole and signed with the key whose public half
  // (PEM, Ed25519) is in `key_file`. kInvalid: no bundle; kDenied: signed by somebody else,
  // or by nobody; kCorrupt: it isn't what was signed.
  static Result<Bundle> open(const std::string& path, const std::string& key_file);

  const BundleFacts& facts() const { return facts_; }

  // Writes the slot to the block device or file `device` and reads it back from the medium.
  // kNoSpace: it is larger; kCorrupt: what comes back isn't what was written.
  Status write_to(const std::string& device) const;

 private:
  Bundle(UniqueFd file, BundleFacts facts, std::uint64_t begins_at)
      : file_(std::move(file)), facts_(std::move(facts)), begins_at_(begins_at) {}

  UniqueFd file_;
  BundleFacts facts_;
  std::uint64_t begins_at_;
};

}  // namespace layby::update

#endif  // LAYBY_UPDATE_BUNDLE_H_
