// SPDX-License-Identifier: Apache-2.0
//
// Parses and compares platforms. The parts of a platform are Go's GOOS and GOARCH words
// (image-index.md), made of letters, digits, '.', '_' and '-' only.

#include "layby/oci/platform.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <system_error>

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

// A variant such as "v7" or "v8.2".
struct Version {
  int major = 0;
  int minor = 0;
};

// Reads a number of one or two digits.
std::optional<int> small_number(std::string_view text) {
  if (text.empty() || text.size() > 2 || text.front() == '-') return std::nullopt;
  int number = 0;
  const char* end = text.data() + text.size();
  const auto [read_to, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && read_to == end ? std::optional(number) : std::nullopt;
}

std::optional<Version> version_of(std::string_view variant) {
  if (!variant.starts_with('v')) return std::nullopt;
  variant.remove_prefix(1);
  const std::size_t dot = variant.find('.');
  const auto major = small_number(variant.substr(0, dot));
  const bool has_minor = dot != std::string_view::npos;
  const auto minor = has_minor ? small_number(variant.substr(dot + 1)) : std::optional(0);
  if (!major || !minor) return std::nullopt;
  return Version{*major, *minor};
}

std::string to_variant(const Version& version) {
  const std::string major = "v" + std::to_string(version.major);
  return version.minor == 0 ? major : major + "." + std::to_string(version.minor);
}

// Adds the versions of arm64 below `version`. v9.x has the instructions of v8.(x+5).
void add_older_arm64(Version version, const std::string& os, std::vector<Platform>& into) {
  if (version.major < 8) return;
  const auto add_minors = [&] {
    for (int minor = version.minor - 1; minor >= 0; --minor) {
      into.push_back({os, "arm64", to_variant({version.major, minor})});
    }
  };
  add_minors();
  if (version.major != 9) return;
  version = {8, version.minor + 5};
  into.push_back({os, "arm64", to_variant(version)});
  add_minors();
}

// Adds the versions of `architecture` from `newest` down to `oldest`.
void add_versions(int newest, int oldest, const std::string& os, const std::string& architecture,
                  std::vector<Platform>& into) {
  for (int major = newest; major >= oldest; --major) {
    into.push_back({os, architecture, to_variant({major, 0})});
  }
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

std::vector<Platform> runnable_platforms(const Platform& wanted) {
  constexpr int kNewestArm = 8;
  constexpr int kOldestArm = 5;
  std::vector<Platform> platforms{wanted};
  const auto version = version_of(variant_of(wanted));
  if (wanted.architecture == "amd64") {
    if (version) add_versions(version->major - 1, 1, wanted.os, "amd64", platforms);
    platforms.push_back({wanted.os, "386", ""});
  } else if (wanted.architecture == "arm" && version) {
    add_versions(version->major - 1, kOldestArm, wanted.os, "arm", platforms);
  } else if (wanted.architecture == "arm64") {
    if (version) add_older_arm64(*version, wanted.os, platforms);
    add_versions(kNewestArm, kOldestArm, wanted.os, "arm", platforms);
  }
  return platforms;
}

}  // namespace layby::oci
