// SPDX-License-Identifier: Apache-2.0
//
// Chooses the Authorization of each request to a registry. Requests have no Authorization until
// the registry answers 401 with a challenge. A Bearer challenge leads to a token for the
// request's repository: concurrent requests share one fetch, and later requests reuse the token
// until shortly before it expires. A Basic challenge sends the credentials to the registry with
// every request. A token server gets the credentials only if it belongs to the registry's own site,
// and only over TLS if the registry has TLS. Loop thread only.
//
// If the token for a challenge can't be fetched, the challenge is forgotten, and the next request
// goes to the registry without a token. So a captive portal's challenge doesn't outlive the portal.
// Every token is for pulls from one repository, whatever scope the challenge names.
//
// Invariants: a fetch under way has at least one waiter; an entry with a fetch under way is
// never dropped; no fetch is under way when the Tokens are destroyed.

#ifndef LAYBY_UPSTREAM_TOKENS_H_
#define LAYBY_UPSTREAM_TOKENS_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layby/base/async.h"
#include "layby/base/clock.h"
#include "layby/base/counters.h"
#include "layby/base/result.h"
#include "layby/http/url.h"
#include "layby/oci/challenge.h"
#include "upstream/exchange.h"
#include "upstream/failure.h"

namespace layby::upstream {

struct Credentials {
  std::string username;  // Empty for none.
  std::string password;
};

class Tokens {
 public:
  struct Settings {
    http::Url registry;
    Credentials credentials;
    std::chrono::milliseconds request_timeout{30'000};
  };
  // Gets the value of Authorization, or why there is no token.
  using Done = std::function<void(Result<std::string>)>;

  // The referenced arguments outlive the Tokens.
  Tokens(Settings settings, Driver& driver, const Transport& transport, const Clock& clock,
         Counters& counters);
  ~Tokens();

  // The Authorization to send; "" for none, nullopt when a token must be fetched first.
  std::optional<std::string> known(const std::string& repository) const;

  // Fetches a token, or joins a fetch under way. May be called only after known() gave nullopt.
  Handle fetch(const std::string& repository, Done done);

  // Learns that the registry answered 401 to the Authorization `refused`, with the WWW-Authenticate
  // `challenge`. Returns ok when another try makes sense: known() or fetch() then gives another
  // Authorization.
  Status learn(const std::string& repository, std::string_view challenge,
               const std::string& refused, const Subject& subject);

 private:
  class Flight;
  struct Entry {
    oci::BearerChallenge challenge;
    http::Url realm;
    std::string token;  // Empty before the first fetch and after a refusal.
    SteadyTime expires_at;
    std::shared_ptr<Flight> flight;  // Set while a token is being fetched.
  };

  std::string basic() const;
  bool may_see_credentials(const http::Url& realm) const;
  Status learn_bearer(const std::string& repository, oci::BearerChallenge challenge,
                      const std::string& refused, const Subject& subject);
  ExchangeSpec token_request(const std::string& repository, const Entry& entry) const;
  void deliver(const std::string& repository, const Result<oci::Token>& token);
  void drop_flight(const std::string& repository);
  void make_room();

  Settings settings_;
  Driver& driver_;
  const Transport& transport_;
  const Clock& clock_;
  Counters& counters_;
  bool basic_wanted_ = false;
  std::map<std::string, Entry> entries_;
};

}  // namespace layby::upstream

#endif  // LAYBY_UPSTREAM_TOKENS_H_
