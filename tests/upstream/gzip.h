// SPDX-License-Identifier: Apache-2.0
//
// Makes two kinds of gzip streams by hand (RFC 1951, RFC 1952), so that tests need no zlib: a
// stored text, and a bomb that repeats one byte very often.

#ifndef LAYBY_TESTS_UPSTREAM_GZIP_H_
#define LAYBY_TESTS_UPSTREAM_GZIP_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace layby::testing {

inline const std::string kGzipHeader("\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);

inline std::string little_endian(std::uint32_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i) & 0xff);
  return text;
}

inline std::uint32_t crc32(std::string_view text) {
  std::uint32_t crc = 0xffffffff;
  for (const char c : text) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xedb88320 : 0);
  }
  return ~crc;
}

// Puts `text`, at most 65,535 bytes, in one stored block.
inline std::string gzip(std::string_view text) {
  const auto size = static_cast<std::uint32_t>(text.size());
  return kGzipHeader + '\x01' + little_endian(size, 2) + little_endian(~size, 2) +
         std::string(text) + little_endian(crc32(text), 4) + little_endian(size, 4);
}

// A stream that decodes to spaces, 258 for each 13 bits. The stream has no trailer, because a
// reader should stop before the trailer.
inline std::string gzip_bomb(std::size_t decoded_bytes) {
  std::string bits = "110";  // The last block, with the fixed codes; low bit first.
  bits += "01010000";        // The literal ' '.
  std::string out = kGzipHeader;
  const auto flush = [&] {
    while (bits.size() >= 8) {
      unsigned byte = 0;
      for (unsigned i = 0; i < 8; ++i) byte |= static_cast<unsigned>(bits[i] == '1') << i;
      out += static_cast<char>(byte);
      bits.erase(0, 8);
    }
  };
  for (std::size_t made = 1; made < decoded_bytes; made += 258) {
    bits += "11000101";  // 258 bytes
    bits += "00000";     // from 1 back.
    flush();
  }
  bits += "00000000000000";  // The end of the block, and padding.
  flush();
  return out;
}

}  // namespace layby::testing

#endif  // LAYBY_TESTS_UPSTREAM_GZIP_H_
