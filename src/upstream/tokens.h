// SPDX-License-Identifier: Apache-2.0
//
// Chooses the Authorization of each request to a registry. Requests have no Authorization until
// the registry answers 401 with a challenge. A Bearer challenge leads to a token for the
// request's repository: concurrent requests share one fetch, and later requests reuse the token
// until shortly before it expires. The tokens of repositories in use are renewed before they
// expire. A Basic challenge sends the credentials to the registry with every request. A token
// server gets the credentials only if it belongs to the registry's own site, and only over TLS if
// the registry has TLS. Loop thread only.
//
// The token server that the registry named last is remembered for all repositories, so the first
// request for a repository needs no 401. If a token can't be fetched, the token server is
// forgotten, and the next request goes to the registry without a token. So a captive portal's
// challenge doesn't outlive the portal. Every token is for pulls from one repository, whatever
// scope the challenge names.
//
// Invariants: a fetch under way has at least one waiter, or renews a token; an entry with a fetch
// under way is never dropped; no fetch has a waiter when the Tokens are destroyed.

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
#include "upstream/token_renewals.h"

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

  // The referenced arguments outlive the Tokens. `timers` wait for renewals.
  Tokens(Settings settings, Driver& driver, const Transport& transport, Timers& timers,
         const Clock& clock, Counters& counters);
  ~Tokens();

  // The Authorization to send; "" for none, nullopt when a token must be fetched first. Counts as a
  // use of the repository.
  std::optional<std::string> known(const std::string& repository);

  // Fetches a token, or joins a fetch under way. May be called only after known() gave nullopt.
  Handle fetch(const std::string& repository, Done done);

  // The Authorization that the registry answered with 401.
  struct Refused {
    std::string authorization;  // "" for none.
    bool is_new = false;        // The token was fetched for the refused request.
  };
  // Learns that the registry answered 401 to `refused`, with the WWW-Authenticate `challenge`.
  // Returns true if another try makes sense: known() or fetch() then gives another Authorization.
  // Returns false if the token server would give the same kind of token again.
  Result<bool> learn(const std::string& repository, std::string_view challenge,
                     const Refused& refused, const Subject& subject);
  // Learns that the registry answered 401 to a request for no repository, without Authorization.
  void learn(std::string_view challenge);

 private:
  class Flight;
  struct Server {
    http::Url realm;
    std::string service;
    bool operator==(const Server&) const = default;
  };
  struct Entry {
    Server server;
    std::string token;  // Empty before the first fetch and after a refusal.
    SteadyTime expires_at;
    std::shared_ptr<Flight> flight;  // Set while a token is being fetched.
  };

  static std::optional<Server> server_of(const oci::BearerChallenge& challenge);
  bool is_good(const Entry& entry) const;
  std::string basic() const;
  bool may_see_credentials(const http::Url& realm) const;
  bool learn_bearer(const std::string& repository, const Server& server, const Refused& refused);
  ExchangeSpec token_request(const std::string& repository, const Entry& entry) const;
  Flight& fly(const std::string& repository, Entry& entry);
  void renew(const std::string& repository);
  void deliver(const std::string& repository, const Result<oci::Token>& token);
  void drop_flight(const std::string& repository);
  void forget_server(const Server& server);
  void make_room();

  Settings settings_;
  Driver& driver_;
  const Transport& transport_;
  const Clock& clock_;
  Counters& counters_;
  bool basic_wanted_ = false;
  std::optional<Server> server_;  // The token server that the registry named last.
  TokenRenewals renewals_;
  std::map<std::string, Entry> entries_;
};

}  // namespace layby::upstream

#endif  // LAYBY_UPSTREAM_TOKENS_H_
