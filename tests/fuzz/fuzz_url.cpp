// SPDX-License-Identifier: Apache-2.0
//
// URLs, listen addresses, percent-coding, query strings and header lists. An accepted URL
// has no bytes that could break a request line, and reads back as the same URL.

#include <algorithm>
#include <string>

#include "layby/http/headers.h"
#include "layby/http/url.h"
#include "require.h"

namespace layby::fuzz {
namespace {

bool is_visible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

void check_url(std::string_view text) {
  const Result<http::Url> url = http::parse_url(text);
  if (!url) return;
  require(url->scheme == "http" || url->scheme == "https", "the scheme is http or https");
  require(url->port != 0 && !url->host.empty(), "a URL has host and port");
  require(url->path.empty() || url->path.front() == '/', "a path begins with /");
  require(is_visible(url->host + url->path + url->query), "a URL is printable ASCII");
  require(url->host.find_first_of("@/?#[]% ") == std::string::npos, "a host is only a host");
  std::string whole = url->origin() + url->path;
  if (!url->query.empty()) whole += "?" + url->query;
  const Result<http::Url> again = http::parse_url(whole);
  require(again && *again == *url, "a URL reads back");
}

void check_address(std::string_view text) {
  const Result<http::HostPort> address = http::parse_host_port(text);
  if (!address) return;
  const bool is_ipv6 = address->host.find(':') != std::string::npos;
  const std::string host = is_ipv6 ? "[" + address->host + "]" : address->host;
  const Result<http::HostPort> again =
      http::parse_host_port(host + ":" + std::to_string(address->port));
  require(again && *again == *address, "an address reads back");
}

void check_coding(std::string_view text) {
  const std::string encoded = http::percent_encode(text, "/");
  require(is_visible(encoded), "encoded text is printable ASCII");
  const auto decoded = http::percent_decode(text);
  require(!decoded || decoded->size() <= text.size(), "decoding never lengthens");
  // An escaped NUL is refused on purpose.
  if (text.find('\0') != std::string_view::npos) return;
  require(http::percent_decode(encoded) == text, "encoded text decodes to itself");
  require(http::query_value("a&b=1&k=" + encoded + "&k=2", "k") == text,
          "a query value reads back");
}

void check_list(std::string_view text) {
  const std::string_view trimmed = http::trim(text);
  require(http::trim(trimmed) == trimmed, "trimming twice changes nothing");
  if (trimmed.find(',') != std::string_view::npos) return;
  require(http::list_has_token("x, " + std::string(text) + " ,y", trimmed),
          "a list holds the token that was put into it");
}

void check(std::string_view text) {
  check_url(text);
  check_address(text);
  check_coding(text);
  check_list(text);
  static_cast<void>(http::query_value(text, "n"));
}

}  // namespace
}  // namespace layby::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  layby::fuzz::check(layby::fuzz::as_text(data, size));
  return 0;
}
