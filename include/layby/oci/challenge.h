// SPDX-License-Identifier: Apache-2.0
//
// WWW-Authenticate challenges of registries (RFC 9110 section 11.6.1; Docker's
// token specification), and the answers of token servers.

#ifndef LAYBY_OCI_CHALLENGE_H_
#define LAYBY_OCI_CHALLENGE_H_

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "layby/base/clock.h"
#include "layby/base/result.h"

namespace layby::oci {

struct BearerChallenge {
  std::string realm;  // URL of the token server
  std::string service;
  std::string scope;  // may be empty
};
struct Challenge {
  std::optional<BearerChallenge> bearer;
  bool basic = false;
};

// Reads one WWW-Authenticate value, which may contain several challenges. Unknown schemes, and a
// Bearer without a realm, are ignored.
Challenge parse_challenge(std::string_view value);

struct Token {
  std::string value;
  std::chrono::seconds expires_in{60};
};

// Reads a token server's JSON: `token` or `access_token`, and `expires_in`. If `expires_in` is
// missing or below 60 seconds, it counts as 60 seconds; if it is above a day, it counts as a day.
// Returns kInvalid if the JSON has no token that is valid in a header.
Result<Token> parse_token(std::string_view json);

// Whether credentials for `registry_host` may be sent to `realm_host`: both are the same host, or
// are names in the same registrable domain. If a name ends in "co", "com", "org", "net", "ac" or
// "gov" and a two-letter country, its last three labels are its registrable domain. Otherwise, its
// last two labels are its registrable domain. Two IP addresses must be equal.
bool same_site(std::string_view registry_host, std::string_view realm_host);

}  // namespace layby::oci

#endif  // LAYBY_OCI_CHALLENGE_H_
