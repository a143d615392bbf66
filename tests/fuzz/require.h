// SPDX-License-Identifier: Apache-2.0
//
// The assertion of the fuzz targets, which is checked in every build, unlike <cassert>.
// libFuzzer and the replay both report an abort.

#ifndef LAYBY_TESTS_FUZZ_REQUIRE_H_
#define LAYBY_TESTS_FUZZ_REQUIRE_H_

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace layby::fuzz {

inline void require(bool holds, const char* invariant) {
  if (holds) return;
  std::fprintf(stderr, "broken invariant: %s\n", invariant);
  std::abort();
}

inline std::string_view as_text(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Removes eight bytes from `text` as a little-endian number. Missing bytes count as zeros.
inline std::uint64_t take_number(std::string_view& text) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < 8 && !text.empty(); ++i) {
    number |= std::uint64_t{static_cast<unsigned char>(text.front())} << (8 * i);
    text.remove_prefix(1);
  }
  return number;
}

// Removes the next line and its line break from `text`, and returns the line.
inline std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

// Whether the line of options has the option `letter`.
inline bool has_option(std::string_view options, char letter) {
  return options.find(letter) != std::string_view::npos;
}

}  // namespace layby::fuzz

#endif  // LAYBY_TESTS_FUZZ_REQUIRE_H_
