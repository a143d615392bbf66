// SPDX-License-Identifier: Apache-2.0
//
// Every step reads the file by pread, so the steps share no file position.

#include "layby/update/firmware.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <functional>
#include <optional>
#include <vector>

#include "layby/base/number.h"
#include "layby/base/sha.h"
#include "update/signature.h"

namespace layby::update {
namespace {

constexpr std::string_view kMagic = "layby-firmware 1\n";
constexpr std::string_view kAnyMagic = "layby-firmware ";
constexpr std::size_t kPieceBytes = 1 << 20;
constexpr std::size_t kMaxKeyBytes = 4096;

Error no_firmware(const std::string& why) {
  return {ErrorCode::kInvalid, "no firmware file: " + why};
}

// Removes "NAME=VALUE\n" from the front of `text` and returns the value; nullopt if `text`
// begins with something else.
std::optional<std::string_view> take_line(std::string_view& text, std::string_view name) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos || !text.starts_with(name)) return std::nullopt;
  std::string_view value = text.substr(name.size(), end - name.size());
  if (!value.starts_with('=')) return std::nullopt;
  text.remove_prefix(end + 1);
  return value.substr(1);
}

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

bool is_hex(std::string_view text, std::size_t size) {
  return text.size() == size &&
         std::all_of(text.begin(), text.end(), [](char c) { return digit(c) >= 0; });
}

std::string from_hex(std::string_view text) {
  assert(text.size() % 2 == 0 && is_hex(text, text.size()));
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    bytes += static_cast<char>(digit(text[i]) * 16 + digit(text[i + 1]));
  }
  return bytes;
}

// Reads `size` bytes from `offset` on. `take` gets each piece, and the piece's position relative to
// `offset`. kCorrupt: the file ends too early.
Status for_each_piece(int fd, std::uint64_t offset, std::uint64_t size,
                      const std::function<Status(std::string_view, std::uint64_t)>& take) {
  std::vector<char> piece(kPieceBytes);
  std::uint64_t done = 0;
  while (done < size) {
    const std::uint64_t wanted = std::min<std::uint64_t>(size - done, piece.size());
    const ssize_t n = ::pread(fd, piece.data(), wanted, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("reading", errno);
    if (n == 0) return Error{ErrorCode::kCorrupt, "it is cut short"};
    const std::string_view bytes(piece.data(), static_cast<std::size_t>(n));
    if (Status status = take(bytes, done); !status) return status;
    done += bytes.size();
  }
  assert(done == size);
  return {};
}

// Checks that the bytes from `offset` on have the size and the hash of `facts`.
Status check_bytes(int fd, std::uint64_t offset, const FirmwareFacts& facts) {
  Sha sha(ShaKind::kSha256);
  Status read =
      for_each_piece(fd, offset, facts.size_bytes, [&](std::string_view piece, std::uint64_t) {
        sha.update(piece);
        return Status();
      });
  if (!read) return read;
  if (sha.finish_hex() != facts.sha256) {
    return Error{ErrorCode::kCorrupt, "its bytes differ from the signed ones"};
  }
  return {};
}

}  // namespace

Result<FirmwareHead> parse_head(std::string_view text) {
  std::string_view rest = text;
  if (!rest.starts_with(kMagic)) {
    return no_firmware(rest.starts_with(kAnyMagic) ? "its format is newer than this program"
                                                   : "it doesn't begin like a firmware file");
  }
  rest.remove_prefix(kMagic.size());
  const auto board = take_line(rest, "board");
  const auto version = take_line(rest, "version");
  const auto built = take_line(rest, "built");
  const auto size = take_line(rest, "size");
  const auto sha256 = take_line(rest, "sha256");
  const std::string_view signed_text = text.substr(0, text.size() - rest.size());
  const auto signature = take_line(rest, "signature");
  if (!board || !version || !built || !size || !sha256 || !signature) {
    return no_firmware("its head lacks a line");
  }
  const auto seconds = parse_number(*built);
  const auto bytes = parse_number(*size);
  if (!seconds || !bytes || !is_hex(*sha256, 64) || !is_hex(*signature, 2 * kSignatureBytes)) {
    return no_firmware("its head has an invalid number");
  }
  return FirmwareHead{
      {std::string(*board), std::string(*version), *seconds, *bytes, std::string(*sha256)},
      signed_text,
      from_hex(*signature),
      text.size() - rest.size()};
}

Result<Firmware> Firmware::open(const std::string& path, const std::string& key_file) {
  const auto key = read_file(key_file, kMaxKeyBytes);
  if (!key) return key.error();
  Result<UniqueFd> file = open_regular(path);
  if (!file.ok()) return file.error();
  std::string text(kMaxHeadBytes, '\0');
  const ssize_t n = ::pread(file->get(), text.data(), text.size(), 0);
  if (n < 0) return errno_error(path, errno);
  text.resize(static_cast<std::size_t>(n));
  const auto head = parse_head(text);
  if (!head) return head.error();
  assert(head->size_bytes <= text.size());
  assert(head->signature.size() == kSignatureBytes);
  if (Status status = check_signature(*key, head->signed_text, head->signature); !status) {
    return status.error();
  }
  if (Status status = check_bytes(file->get(), head->size_bytes, head->facts); !status) {
    return status.error();
  }
  return Firmware(std::move(*file), head->facts, head->size_bytes);
}

Status Firmware::write_to(const std::string& device) const {
  assert(file_);  // open() always sets file_.
  const UniqueFd slot(::open(device.c_str(), O_RDWR | O_CLOEXEC));
  if (!slot) return errno_error(device, errno);
  const off_t room = ::lseek(slot.get(), 0, SEEK_END);
  struct stat about {};
  if (::fstat(slot.get(), &about) != 0) return errno_error(device, errno);
  if (S_ISBLK(about.st_mode) && static_cast<std::uint64_t>(room) < facts_.size_bytes) {
    return Error{ErrorCode::kNoSpace, device + " is too small for the firmware"};
  }
  Status written = for_each_piece(
      file_.get(), begins_at_, facts_.size_bytes,
      [&](std::string_view piece, std::uint64_t at) { return write_at(slot.get(), piece, at); });
  if (!written) return written;
  if (::fsync(slot.get()) != 0) return errno_error(device, errno);
  // The check must read from the medium, so the kernel is asked to drop the pages in memory.
  ::posix_fadvise(slot.get(), 0, 0, POSIX_FADV_DONTNEED);
  if (!check_bytes(slot.get(), 0, facts_)) {
    return Error{ErrorCode::kCorrupt,
                 device + " doesn't give back what was written; is the medium worn out?"};
  }
  return {};
}

}  // namespace layby::update
