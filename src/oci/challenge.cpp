// SPDX-License-Identifier: Apache-2.0
//
// Parses challenges and tokens, and decides where credentials may go. All input comes from the
// network. Tokens go into requests, so a token must be visible ASCII; a token's life has bounds.

#include "layby/oci/challenge.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "layby/base/number.h"
#include "layby/http/headers.h"
#include "oci/json.h"

namespace layby::oci {
namespace {

constexpr std::chrono::seconds kShortestLife{60};
// A token that lives longer than a day counts as living for a day: a longer life would save only
// one request a day, and a sum with an unbounded life could overflow.
constexpr std::chrono::seconds kLongestLife{86400};

// Takes the parts of a header value from the front of rest_.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool done() const { return rest_.empty(); }
  void skip(std::string_view characters) {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(characters), rest_.size()));
  }
  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  // Takes a token, or a token68 without its padding. Returns "" if neither can contain the next
  // character.
  std::string_view word() {
    constexpr std::string_view kWord =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~/";
    const std::size_t length = std::min(rest_.find_first_not_of(kWord), rest_.size());
    const std::string_view taken = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return taken;
  }
  // Takes a quoted string after its opening quote; nullopt if the closing quote is missing.
  std::optional<std::string> quoted() {
    std::string text;
    while (!rest_.empty()) {
      if (take('"')) return text;
      if (rest_.size() > 1) take('\\');
      text += rest_.front();
      rest_.remove_prefix(1);
    }
    return std::nullopt;
  }

 private:
  std::string_view rest_;
};

struct Parameter {
  std::string_view name;
  std::string value;
};
struct RawChallenge {
  std::string_view scheme;
  std::vector<Parameter> parameters;
};

// Splits a value into challenges. A word before '=' is a parameter of the current challenge; any
// other word begins the next challenge. The splitting ends where no word comes next.
std::vector<RawChallenge> split_challenges(std::string_view value) {
  constexpr std::string_view kSpace = " \t";
  std::vector<RawChallenge> challenges;
  Scanner scanner(value);
  while (true) {
    scanner.skip(" \t,");
    const std::string_view word = scanner.word();
    if (word.empty()) return challenges;
    scanner.skip(kSpace);
    if (!scanner.take('=')) {
      challenges.push_back({word, {}});
      continue;
    }
    scanner.skip(kSpace);
    scanner.skip("=");  // The rest of a token68's padding.
    std::optional<std::string> text =
        scanner.take('"') ? scanner.quoted() : std::string(scanner.word());
    if (!text) return challenges;
    if (!challenges.empty()) challenges.back().parameters.push_back({word, *std::move(text)});
  }
}

std::string parameter(const RawChallenge& challenge, std::string_view name) {
  for (const Parameter& candidate : challenge.parameters) {
    if (http::equals_ignoring_case(candidate.name, name)) return candidate.value;
  }
  return {};
}

bool is_visible(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

std::chrono::seconds token_life(const nlohmann::json& answer) {
  const nlohmann::json* value = member(answer, "expires_in");
  const std::optional<std::uint64_t> seconds = value ? as_unsigned(*value) : std::nullopt;
  const auto longest = static_cast<std::uint64_t>(kLongestLife.count());
  const std::chrono::seconds life(
      static_cast<std::int64_t>(std::min(seconds.value_or(0), longest)));
  assert(life <= kLongestLife);
  return std::max(life, kShortestLife);
}

std::vector<std::string_view> labels_of(std::string_view host) {
  std::vector<std::string_view> labels;
  while (true) {
    const std::size_t dot = host.find('.');
    labels.push_back(host.substr(0, dot));
    if (dot == std::string_view::npos) return labels;
    host.remove_prefix(dot + 1);
  }
}

// Also true for texts that a resolver may take for an address: "127.1", "0x7f.1",
// "2130706433".
bool is_address(std::string_view host) {
  if (host.find(':') != std::string_view::npos) return true;
  const std::string_view last = host.substr(std::min(host.rfind('.') + 1, host.size()));
  return is_digits(last) || last.starts_with("0x") || last.starts_with("0X");
}

// The number of labels of the registrable domain at the end of `labels`.
std::size_t registrable_length(const std::vector<std::string_view>& labels) {
  constexpr std::array<std::string_view, 6> kSecondLevels{"co", "com", "org", "net", "ac", "gov"};
  if (labels.size() < 2 || labels.back().size() != 2) return 2;
  const std::string_view second = labels[labels.size() - 2];
  const bool is_shared = std::any_of(
      kSecondLevels.begin(), kSecondLevels.end(),
      [second](std::string_view known) { return http::equals_ignoring_case(known, second); });
  return is_shared ? 3 : 2;
}

// "docker.io" for "auth.docker.io"; empty when the host has too few labels or an empty label.
std::string_view registrable_domain(std::string_view host) {
  const std::vector<std::string_view> labels = labels_of(host);
  const std::size_t length = registrable_length(labels);
  if (labels.size() < length) return {};
  std::size_t characters = length - 1;  // The dots between the labels.
  for (std::size_t i = labels.size() - length; i < labels.size(); ++i) {
    if (labels[i].empty()) return {};
    characters += labels[i].size();
  }
  assert(characters <= host.size());
  return host.substr(host.size() - characters);
}

}  // namespace

Challenge parse_challenge(std::string_view value) {
  Challenge challenge;
  for (const RawChallenge& raw : split_challenges(value)) {
    if (http::equals_ignoring_case(raw.scheme, "basic")) challenge.basic = true;
    if (!http::equals_ignoring_case(raw.scheme, "bearer") || challenge.bearer) continue;
    BearerChallenge bearer{parameter(raw, "realm"), parameter(raw, "service"),
                           parameter(raw, "scope")};
    if (!bearer.realm.empty()) challenge.bearer = std::move(bearer);
  }
  return challenge;
}

Result<Token> parse_token(std::string_view text) {
  const std::optional<nlohmann::json> answer = parse_json(text);
  if (!answer) return Error{ErrorCode::kInvalid, "token answer: not JSON"};
  for (const char* key : {"token", "access_token"}) {
    const nlohmann::json* value = member(*answer, key);
    std::optional<std::string> token = value ? as_string(*value) : std::nullopt;
    if (token && is_visible(*token)) return Token{*std::move(token), token_life(*answer)};
  }
  return Error{ErrorCode::kInvalid, "token answer: no usable \"token\" or \"access_token\""};
}

bool same_site(std::string_view registry_host, std::string_view realm_host) {
  if (http::equals_ignoring_case(registry_host, realm_host)) return !registry_host.empty();
  if (is_address(registry_host) || is_address(realm_host)) return false;
  const std::string_view domain = registrable_domain(registry_host);
  return !domain.empty() && http::equals_ignoring_case(domain, registrable_domain(realm_host));
}

}  // namespace layby::oci
