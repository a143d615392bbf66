// SPDX-License-Identifier: Apache-2.0
//
// Absolute http and https URLs, percent-coding and query strings (RFC 3986).

#ifndef LAYBY_HTTP_URL_H_
#define LAYBY_HTTP_URL_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "layby/base/result.h"

namespace layby::http {

struct Url {
  std::string scheme;  // "http" or "https"
  std::string host;    // lower case; an IPv6 address without its brackets
  std::uint16_t port = 0;
  std::string path;   // begins with '/', or empty
  std::string query;  // without the '?'

  // "https://host:port", without the port when it is the scheme's default.
  std::string origin() const;

  bool operator==(const Url&) const = default;
};

// Returns kInvalid for any other scheme, and for userinfo, a fragment, an empty host or a bad port.
Result<Url> parse_url(std::string_view text);

// A listen address: "host:port", "[v6]:port", or ":port" for all addresses of the machine.
struct HostPort {
  std::string host;  // numeric address, "" for all addresses
  std::uint16_t port = 0;
  bool operator==(const HostPort&) const = default;
};
Result<HostPort> parse_host_port(std::string_view text);

// Decodes %XX; nullopt for a broken escape or for %00.
std::optional<std::string> percent_decode(std::string_view text);

// Whether percent_decode() can read `text`, such as a whole query.
bool has_valid_escapes(std::string_view text);

// Escapes all characters except RFC 3986's unreserved characters and the characters in `keep`.
std::string percent_encode(std::string_view text, std::string_view keep = "");

// The first value of `key` in a query string, decoded; nullopt if the value is missing or broken.
std::optional<std::string> query_value(std::string_view query, std::string_view key);

}  // namespace layby::http

#endif  // LAYBY_HTTP_URL_H_
