// SPDX-License-Identifier: Apache-2.0
//
// Parses and compares platforms. The parts of a platform are Go's GOOS and GOARCH words
// (image-index.md), made of letters, digits, '.', '_' and '-' only.

#include "layby/oci/platform.h"

#include <algorithm>
#include <cstddef>

namespace layby::oci {
namespace {

bool is_word(std::string_view text) {
  return !text.empty() &&
         text.find_first_not_of(
             "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") ==
             std::string_view::npos;
}

// Removes the first part of `text` and the slash after it, and returns the part.
std::string_view take_part(std::string_view& text) {
  const std::size_t slash = std::min(text.find('/'), text.size());
  const std::string_view part = text.substr(0, slash);
  text.remove_prefix(std::min(slash + 1, text.size()));
  return part;
}

std::string_view variant_of(const Platform& platform) {
  if (!platform.variant.empty()) return platform.variant;
  if (platform.architecture == "arm64") return "v8";
  if (platform.architecture == "arm") return "v7";
  if (platform.architecture == "amd64") return "v1";
  return "";
}

}  // namespace

std::optional<Platform> parse_platform(std::string_view text) {
  if (text.ends_with('/')) return std::nullopt;
  const std::string_view os = take_part(text);
  const std::string_view architecture = take_part(text);
  if (!is_word(os) || !is_word(architecture)) return std::nullopt;
  if (!text.empty() && !is_word(text)) return std::nullopt;
  return Platform{std::string(os), std::string(architecture), std::string(text)};
}

std::string to_string(const Platform& platform) {
  std::string text = platform.os + "/" + platform.architecture;
  if (!platform.variant.empty()) text += "/" + platform.variant;
  return text;
}

bool satisfies(const Platform& offered, const Platform& wanted) {
  return offered.os == wanted.os && offered.architecture == wanted.architecture &&
         variant_of(offered) == variant_of(wanted);
}

}  // namespace layby::oci
