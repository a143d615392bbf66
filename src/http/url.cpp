// SPDX-License-Identifier: Apache-2.0
//
// Parses URLs (RFC 3986) strictly: only the forms that a registry or a CDN sends. Invariants: a
// parsed Url is printable ASCII, so a Url can't bring a line break into a request; the host is a
// name or an address that every program reads as the same host.

#include "layby/http/url.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cassert>
#include <cstddef>

#include "layby/base/encoding.h"
#include "layby/base/number.h"

namespace layby::http {
namespace {

constexpr std::string_view kUnreserved =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
constexpr std::size_t kMaxHost = 253;

// The message leaves out a user's name and password, and the query, which may contain a signature.
Error bad_url(std::string_view text, const char* why) {
  std::string_view shown = text.substr(0, std::min<std::size_t>(text.find('?'), 200));
  if (text.find('@') != std::string_view::npos) shown = shown.substr(0, shown.find(':'));
  return {ErrorCode::kInvalid, "URL \"" + std::string(shown) + "\": " + why};
}

Error bad_address(std::string_view text) {
  return {ErrorCode::kInvalid, "address \"" + std::string(text.substr(0, 200)) +
                                   "\": write ip:port, [ipv6]:port or :port"};
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

bool is_ipv6(const std::string& text) {
  in6_addr address{};
  return ::inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

bool is_ipv4(const std::string& text) {
  in_addr address{};
  return ::inet_pton(AF_INET, text.c_str(), &address) == 1;
}

bool is_host_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxHost &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-._") ==
             std::string_view::npos;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  const std::optional<std::uint64_t> port = parse_number(text);
  if (!port || *port > 65535) return std::nullopt;
  return static_cast<std::uint16_t>(*port);
}

std::uint16_t default_port(std::string_view scheme) { return scheme == "https" ? 443 : 80; }

// The parts of "host", "host:port", "[v6]" or "[v6]:port": the host, and the text after the colon.
struct Authority {
  std::string host;
  bool bracketed = false;
  std::optional<std::string_view> port;
};

std::optional<Authority> split_authority(std::string_view text) {
  Authority authority;
  std::size_t end = text.find(':');
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    authority.bracketed = true;
    authority.host = to_lower_case(text.substr(1, close - 1));
    end = close + 1;
  } else {
    end = std::min(end, text.size());
    authority.host = to_lower_case(text.substr(0, end));
  }
  text.remove_prefix(end);
  if (text.empty()) return authority;
  if (text.front() != ':') return std::nullopt;
  authority.port = text.substr(1);
  return authority;
}

// Sets host and port of `url`; false when `text` is not a valid authority.
bool read_authority(std::string_view text, Url& url) {
  const std::optional<Authority> authority = split_authority(text);
  if (!authority) return false;
  if (authority->bracketed ? !is_ipv6(authority->host) : !is_host_name(authority->host)) {
    return false;
  }
  url.host = authority->host;
  url.port = default_port(url.scheme);
  if (!authority->port) return true;
  const std::optional<std::uint16_t> port = parse_port(*authority->port);
  url.port = port.value_or(0);
  return url.port != 0;
}

// The byte of the "%XX" at the front of `text`; nullopt for a broken escape or %00.
std::optional<char> decode_escape(std::string_view text) {
  assert(text.starts_with('%'));
  if (text.size() < 3) return std::nullopt;
  const std::optional<int> high = hex_value(text[1]);
  const std::optional<int> low = hex_value(text[2]);
  if (!high || !low || *high + *low == 0) return std::nullopt;
  return static_cast<char>(*high * 16 + *low);
}

}  // namespace

std::string Url::origin() const {
  const bool has_brackets = host.find(':') != std::string::npos;
  std::string text = scheme + "://";
  text += has_brackets ? std::string("[").append(host).append("]") : host;
  if (port != default_port(scheme)) text.append(":").append(std::to_string(port));
  return text;
}

Result<Url> parse_url(std::string_view text) {
  if (!is_printable(text)) return bad_url("", "holds spaces, control or non-ASCII characters");
  Url url;
  const std::size_t colon = text.find("://");
  if (colon != std::string_view::npos) url.scheme = to_lower_case(text.substr(0, colon));
  if (url.scheme != "http" && url.scheme != "https") {
    return bad_url(text, "must begin with http:// or https://");
  }
  if (text.find('#') != std::string_view::npos) return bad_url(text, "can't have a fragment");
  const std::string_view rest = text.substr(colon + 3);
  const std::size_t path = std::min(rest.find_first_of("/?"), rest.size());
  const std::string_view authority = rest.substr(0, path);
  if (authority.find('@') != std::string_view::npos) {
    return bad_url(text, "can't have a user or a password in it");
  }
  if (!read_authority(authority, url)) return bad_url(text, "has no valid host and port");
  const std::size_t question = std::min(rest.find('?'), rest.size());
  url.path = rest.substr(path, question - path);
  if (question < rest.size()) url.query = rest.substr(question + 1);
  assert(!url.host.empty() && url.port != 0);
  assert(url.path.empty() || url.path.front() == '/');
  return url;
}

Result<HostPort> parse_host_port(std::string_view text) {
  const std::optional<Authority> authority = split_authority(text);
  if (!authority || !authority->port) return bad_address(text);
  const std::optional<std::uint16_t> port = parse_port(*authority->port);
  if (!port) return bad_address(text);
  const std::string& host = authority->host;
  if (authority->bracketed ? !is_ipv6(host) : !host.empty() && !is_ipv4(host)) {
    return bad_address(text);
  }
  return HostPort{host, *port};
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string decoded;
  while (!text.empty()) {
    const std::string_view plain = text.substr(0, text.find('%'));
    decoded += plain;
    text.remove_prefix(plain.size());
    if (text.empty()) break;
    const std::optional<char> byte = decode_escape(text);
    if (!byte) return std::nullopt;
    decoded += *byte;
    text.remove_prefix(3);
  }
  return decoded;
}

bool has_valid_escapes(std::string_view text) {
  return text.find('%') == std::string_view::npos || percent_decode(text).has_value();
}

std::string percent_encode(std::string_view text, std::string_view keep) {
  std::string encoded;
  for (const char c : text) {
    if (kUnreserved.find(c) != std::string_view::npos || keep.find(c) != std::string_view::npos) {
      encoded += c;
    } else {
      encoded.append("%").append(to_upper_hex({&c, 1}));
    }
  }
  return encoded;
}

std::optional<std::string> query_value(std::string_view query, std::string_view key) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    const std::size_t equals = std::min(pair.find('='), pair.size());
    if (percent_decode(pair.substr(0, equals)) == key) {
      return percent_decode(pair.substr(std::min(equals + 1, pair.size())));
    }
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return std::nullopt;
}

}  // namespace layby::http
