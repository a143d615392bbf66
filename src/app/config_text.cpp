// SPDX-License-Identifier: Apache-2.0
//
// Each check returns a complaint that says what to write, or an empty string for a valid text.
// Names and patterns follow the reference grammar that Docker and OCI share: lower case, digits,
// separators. A pattern may also contain '*'.

#include "app/config_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "layby/base/ip_address.h"
#include "layby/base/log.h"
#include "layby/http/url.h"
#include "layby/oci/platform.h"
#include "layby/oci/reference.h"
#include "layby/policy/day_window.h"
#include "layby/policy/freshness.h"
#include "layby/policy/tag_pattern.h"

namespace layby::app {
namespace {

constexpr std::size_t kMaxName = 255;
constexpr std::string_view kNameCharacters = "abcdefghijklmnopqrstuvwxyz0123456789.-_:";
constexpr std::string_view kPatternCharacters = "abcdefghijklmnopqrstuvwxyz0123456789.-_/*";

bool only(std::string_view text, std::string_view characters) {
  return text.find_first_not_of(characters) == std::string_view::npos;
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

std::string check_address(const std::string& text) {
  if (http::parse_host_port(text)) return "";
  return "is not an address and a port; write \"0.0.0.0:5000\", \"[::]:5000\" or "
         "\"127.0.0.1:5000\"";
}

std::string check_path(const std::string& text) {
  if (has_control(text)) return "has control characters in it; write a plain path";
  if (!text.starts_with('/')) return "is not an absolute path; begin it with /";
  return "";
}

std::string check_socket(const std::string& text) {
  if (text.size() > kMaxSocketPath) {
    return fmt::format("is too long for a socket; write a path of at most {} characters",
                       kMaxSocketPath);
  }
  return check_path(text);
}

std::string check_url(const std::string& text) {
  const Result<http::Url> url = http::parse_url(text);
  if (!url) return log::printable(url.error().message) + "; write \"https://registry.example\"";
  if (!url->query.empty()) return fmt::format("has a query; write \"{}\"", url->origin());
  if (url->path == "/v2" || url->path == "/v2/") {
    return fmt::format("ends in /v2, which Layby adds itself; write \"{}\"", url->origin());
  }
  return "";
}

std::string check_name(const std::string& text) {
  if (!text.empty() && text.size() <= kMaxName && only(text, kNameCharacters)) return "";
  return "is not a registry's name; write its host in lower case, such as \"docker.io\"";
}

std::string check_user(const std::string& text) {
  if (!has_control(text) && text.find(':') == std::string::npos) return "";
  return "can't be a user's name; write it without colons and control characters";
}

std::string check_level(const std::string& text) {
  for (const char* level : {"debug", "info", "warn", "error"}) {
    if (text == level) return "";
  }
  return "is not a level; write \"debug\", \"info\", \"warn\" or \"error\"";
}

std::string check_pattern(const std::string& text) {
  if (text.empty()) return "is empty; write a repository such as \"library/*\"";
  if (text.find_first_of(":@") != std::string::npos) {
    return "names a tag or a digest; write the repository alone, such as \"library/debian\"";
  }
  if (!only(text, kPatternCharacters) || text.starts_with('/') || text.ends_with('/') ||
      text.find("//") != std::string::npos) {
    return "is not a repository; write lower case, such as \"library/*\"";
  }
  return "";
}

std::string check_image_pattern(const std::string& text) {
  return policy::image_pattern_fault(text).value_or("");
}

std::string check_tag_pattern(const std::string& text) {
  const auto pattern = policy::TagPattern::parse(text);
  return pattern.ok() ? "" : log::printable(pattern.error().message);
}

std::string check_platform(const std::string& text) {
  if (oci::parse_platform(text)) return "";
  return "is not a platform; write one such as \"linux/amd64\" or \"linux/arm/v7\"";
}

std::string check_host(const std::string& text) {
  constexpr std::string_view kHostCharacters = "abcdefghijklmnopqrstuvwxyz0123456789.-_";
  const bool dotted = text.starts_with('.') || text.ends_with('.');
  if (!text.empty() && text.size() <= kMaxName && only(text, kHostCharacters) && !dotted) return "";
  return "is not a host name; write it in lower case without a port, such as \"mirror.example\"";
}

std::string check_network(const std::string& text) {
  if (parse_ip_network(text)) return "";
  return "is not a network; write one such as \"10.0.0.0/8\", with zeros after the prefix, or an "
         "address";
}

std::string check_window(const std::string& text) {
  const auto window = policy::DayWindow::parse(text);
  return window.ok() ? "" : window.error().message;
}

std::string check_image(const std::string& text) {
  const auto name = oci::parse_image_name(text);
  if (!name) return "is not an image; write it as for `docker pull`, such as \"python\"";
  // If there is no slash, `last` is the whole text.
  const std::string last = text.substr(text.rfind('/') + 1);
  const bool tagged = last.find_first_of(":@") != std::string::npos;
  return tagged ? "names a tag or a digest; write that under \"tags\"" : "";
}

}  // namespace

std::string check_text(Kind kind, const std::string& text) {
  switch (kind) {
    case Kind::kAddress:
      return check_address(text);
    case Kind::kDirectory:
      return check_path(text);
    case Kind::kSocketPath:
      return check_socket(text);
    case Kind::kFile:
    case Kind::kReadableFile:
      return text.empty() ? "" : check_path(text);
    case Kind::kUrl:
      return check_url(text);
    case Kind::kOptionalUrl:
      return text.empty() ? "" : check_url(text);
    case Kind::kName:
      return check_name(text);
    case Kind::kUser:
      return check_user(text);
    case Kind::kLevel:
      return check_level(text);
    case Kind::kPatterns:
      return check_pattern(text);
    case Kind::kImagePatterns:
      return check_image_pattern(text);
    case Kind::kTagPatterns:
      return check_tag_pattern(text);
    case Kind::kPlatforms:
      return check_platform(text);
    case Kind::kHosts:
      return check_host(text);
    case Kind::kNetworks:
      return check_network(text);
    case Kind::kWindow:
      return check_window(text);
    case Kind::kOptionalWindow:
      return text.empty() ? "" : check_window(text);
    case Kind::kImage:
      return check_image(text);
    default:
      return "";  // Values of other kinds aren't texts.
  }
}

std::string normal_text(Kind kind, const std::string& text) {
  const bool is_url = kind == Kind::kUrl || kind == Kind::kOptionalUrl;
  if (is_url && text.ends_with('/')) return text.substr(0, text.size() - 1);
  return text;
}

}  // namespace layby::app
