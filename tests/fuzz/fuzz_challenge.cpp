// SPDX-License-Identifier: Apache-2.0
//
// Challenges, token answers and sites. The whole input is read as a WWW-Authenticate value and as a
// token server's answer. The first two lines of the input are also read as two hosts.

#include <algorithm>
#include <chrono>
#include <string>

#include "layby/http/headers.h"
#include "layby/oci/challenge.h"
#include "require.h"

namespace layby::fuzz {
namespace {

std::string quoted(std::string_view text) {
  std::string value = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') value += '\\';
    value += c;
  }
  return value + "\"";
}

void check_challenge(std::string_view text) {
  const oci::Challenge challenge = oci::parse_challenge(text);
  if (!challenge.bearer) return;
  const oci::BearerChallenge& bearer = *challenge.bearer;
  require(!bearer.realm.empty(), "a bearer challenge has a realm");
  const oci::Challenge again =
      oci::parse_challenge("Basic realm=\"x\", Bearer realm=" + quoted(bearer.realm) +
                           ",service=" + quoted(bearer.service) + ",scope=" + quoted(bearer.scope));
  require(again.basic && again.bearer, "both challenges read back");
  require(again.bearer->realm == bearer.realm && again.bearer->service == bearer.service &&
              again.bearer->scope == bearer.scope,
          "a bearer challenge reads back");
}

void check_token(std::string_view text) {
  const Result<oci::Token> token = oci::parse_token(text);
  if (!token) return;
  require(!token->value.empty(), "a token has a value");
  require(std::all_of(token->value.begin(), token->value.end(),
                      [](char c) { return c > 0x20 && c < 0x7f; }),
          "a token fits in a header");
  require(
      token->expires_in >= std::chrono::seconds(60) && token->expires_in <= std::chrono::hours(24),
      "a token's lifetime has bounds");
}

// The last two labels of the host; the whole host when it has fewer than three.
std::string_view last_two_labels(std::string_view host) {
  const std::size_t dot = host.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return host;
  const std::size_t before = host.rfind('.', dot - 1);
  return before == std::string_view::npos ? host : host.substr(before + 1);
}

void check_sites(std::string_view a, std::string_view b) {
  const bool same = oci::same_site(a, b);
  require(same == oci::same_site(b, a), "same_site is symmetric");
  require(a.empty() || oci::same_site(a, a), "a host is its own site");
  if (!same) return;
  require(http::equals_ignoring_case(last_two_labels(a), last_two_labels(b)),
          "hosts of one site share a domain");
}

void check(std::string_view text) {
  check_challenge(text);
  check_token(text);
  const std::string_view a = take_line(text);
  check_sites(a, take_line(text));
}

}  // namespace
}  // namespace layby::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  layby::fuzz::check(layby::fuzz::as_text(data, size));
  return 0;
}
