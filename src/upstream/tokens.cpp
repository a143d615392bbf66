// SPDX-License-Identifier: Apache-2.0
//
// Each repository with a Bearer challenge has one Entry. While a token is being fetched, the Entry
// has a Flight with a Seat for each caller. A Flight ends with its last Seat, so a token server
// that hangs doesn't delay later requests. The Flight of a renewal begins without a Seat.

#include "upstream/tokens.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "layby/base/encoding.h"
#include "layby/base/lifetime.h"
#include "layby/base/log.h"

namespace layby::upstream {
namespace {

// The margin avoids a wasted request whose token expires on the way.
constexpr std::chrono::seconds kExpiryMargin{10};
constexpr std::uint64_t kMaxTokenBytes = 256 << 10;
// Clients choose the repositories, so the number of entries needs a limit. At kMaxEntries, all
// entries without a fetch under way are dropped.
constexpr std::size_t kMaxEntries = 1024;

// Whether the token server can't give tokens now. Any other error concerns one repository.
bool is_trouble(ErrorCode code) {
  return code == ErrorCode::kThrottled || code == ErrorCode::kUnavailable ||
         code == ErrorCode::kTimedOut;
}

}  // namespace

class Tokens::Flight final : public ExchangeEvents, public std::enable_shared_from_this<Flight> {
 public:
  Flight(Tokens& tokens, std::string repository, ExchangeSpec spec)
      : tokens_(tokens),
        repository_(std::move(repository)),
        subject_{spec.host_label, spec.request_label},
        started_at_(tokens.clock_.steady_now()),
        exchange_(tokens.driver_, tokens.counters_, tokens.transport_, std::move(spec), *this) {
    count(tokens.counters_.upstream_token_gets);
  }

  // Calls `done` with the Authorization, unless the returned handle was destroyed before.
  Handle join(Done done) {
    auto waiter = std::make_unique<Droppable<Result<std::string>>>(std::move(done));
    waiter->own(std::make_unique<Seat>(weak_from_this()));
    waiters_.push_back(waiter->call());
    ++seats_;
    return waiter;
  }
  SteadyTime started_at() const { return started_at_; }
  bool has_waiters() const { return seats_ > 0; }
  // Calls all waiters, after the fetch has ended and the Entry has let go of this Flight.
  void tell(const Result<std::string>& authorization) const {
    for (const Done& waiter : waiters_) waiter(authorization);
  }

 private:
  // The place of one caller. The last Seat that is destroyed ends the fetch.
  class Seat final : public Operation {
   public:
    explicit Seat(std::weak_ptr<Flight> flight) : flight_(std::move(flight)) {}
    ~Seat() override {
      if (const auto flight = flight_.lock()) flight->leave();
    }

   private:
    const std::weak_ptr<Flight> flight_;
  };

  void leave() {
    assert(seats_ > 0);
    if (--seats_ == 0 && !ended_) tokens_.drop_flight(repository_);
  }

  void on_head(const Head& head) override {
    if (head.status != 200) refusal_ = refusal(head);
  }
  void on_body(std::string_view bytes) override { body_.append(bytes); }
  void on_end(Status status) override {
    ended_ = true;
    tokens_.deliver(repository_, result(status));
  }

  Error refusal(const Head& head) const {
    Error error = status_failure({head.host, subject_.request}, head, tokens_.clock_.wall_now());
    // A missing token server doesn't mean that the requested manifest or blob is missing.
    if (error.code == ErrorCode::kNotFound) error.code = ErrorCode::kInvalid;
    error.extent = Extent::kRepository;
    return error;
  }
  Result<oci::Token> result(const Status& status) const {
    if (refusal_) return *refusal_;
    if (!status.ok()) return status.error();
    auto token = oci::parse_token(body_);
    if (token.ok()) return token;
    return failure(subject_, ErrorCode::kCorrupt, "the answer holds no token");
  }

  Tokens& tokens_;
  const std::string repository_;
  const Subject subject_;
  const SteadyTime started_at_;
  std::string body_;
  std::optional<Error> refusal_;
  std::vector<Done> waiters_;  // The waiter of a caller that has left does nothing.
  std::size_t seats_ = 0;
  bool ended_ = false;
  Exchange exchange_;
};

Tokens::Tokens(Settings settings, Driver& driver, const Transport& transport, Timers& timers,
               const Clock& clock, Counters& counters)
    : settings_(std::move(settings)),
      driver_(driver),
      transport_(transport),
      clock_(clock),
      counters_(counters),
      renewals_(timers, clock, [this](const std::string& repository) { renew(repository); }) {}

Tokens::~Tokens() {
  assert(std::none_of(entries_.begin(), entries_.end(), [](const auto& entry) {
    return entry.second.flight != nullptr && entry.second.flight->has_waiters();
  }));
}

bool Tokens::is_good(const Entry& entry) const {
  return !entry.token.empty() && clock_.steady_now() < entry.expires_at;
}

std::optional<std::string> Tokens::known(const std::string& repository) {
  if (basic_wanted_) return basic();
  const auto found = entries_.find(repository);
  if (found == entries_.end()) return server_ ? std::nullopt : std::optional(std::string());
  const Entry& entry = found->second;
  if (!is_good(entry)) return std::nullopt;
  renewals_.on_used(repository, entry.expires_at);
  return "Bearer " + entry.token;
}

Handle Tokens::fetch(const std::string& repository, Done done) {
  assert(done);
  auto found = entries_.find(repository);
  if (found == entries_.end()) {
    assert(server_);
    make_room();
    found = entries_.emplace(repository, Entry{*server_, {}, {}, nullptr}).first;
  }
  return fly(repository, found->second).join(std::move(done));
}

Tokens::Flight& Tokens::fly(const std::string& repository, Entry& entry) {
  if (!entry.flight) {
    entry.flight = std::make_shared<Flight>(*this, repository, token_request(repository, entry));
  }
  return *entry.flight;
}

void Tokens::renew(const std::string& repository) {
  const auto found = entries_.find(repository);
  if (found == entries_.end() || !is_good(found->second)) return renewals_.forget(repository);
  fly(repository, found->second);
}

Result<bool> Tokens::learn(const std::string& repository, std::string_view challenge,
                           const Refused& refused, const Subject& subject) {
  const oci::Challenge wanted = oci::parse_challenge(challenge);
  if (wanted.bearer) {
    if (const auto server = server_of(*wanted.bearer)) {
      return learn_bearer(repository, *server, refused);
    }
    return failure(subject, ErrorCode::kInvalid, "names a token server whose URL is invalid",
                   "is upstreams[].url a registry?");
  }
  if (!wanted.basic) {
    return failure(subject, ErrorCode::kDenied, "asks for an unknown kind of authentication");
  }
  if (settings_.credentials.username.empty()) {
    return failure(subject, ErrorCode::kDenied, "asks for credentials",
                   "set upstreams[].username and password_file");
  }
  if (refused.authorization == basic()) {
    return failure(subject, ErrorCode::kDenied, "refused the credentials",
                   "check upstreams[].username and password_file");
  }
  basic_wanted_ = true;
  return true;
}

void Tokens::learn(std::string_view challenge) {
  const oci::Challenge wanted = oci::parse_challenge(challenge);
  if (!wanted.bearer) return;
  if (auto server = server_of(*wanted.bearer)) server_ = std::move(server);
}

std::optional<Tokens::Server> Tokens::server_of(const oci::BearerChallenge& challenge) {
  auto realm = http::parse_url(challenge.realm);
  if (!realm.ok()) return std::nullopt;
  return Server{*std::move(realm), challenge.service};
}

bool Tokens::learn_bearer(const std::string& repository, const Server& server,
                          const Refused& refused) {
  basic_wanted_ = false;
  server_ = server;
  make_room();
  Entry& entry = entries_[repository];
  const bool is_of_server = std::exchange(entry.server, server) == server;
  // A request that ran at the same time may have fetched a new token already.
  if (!entry.token.empty() && "Bearer " + entry.token != refused.authorization) return true;
  entry.token.clear();
  return !(refused.is_new && is_of_server);
}

std::string Tokens::basic() const {
  return "Basic " +
         to_base64(settings_.credentials.username + ":" + settings_.credentials.password);
}

bool Tokens::may_see_credentials(const http::Url& realm) const {
  if (settings_.credentials.username.empty()) return false;
  const bool kept_secret = realm.scheme == "https" || settings_.registry.scheme == "http";
  if (kept_secret && oci::same_site(settings_.registry.host, realm.host)) return true;
  log::warn("{}: sends no credentials to the token server {}, which is another site or has no TLS",
            host_label(settings_.registry), host_label(realm));
  return false;
}

ExchangeSpec Tokens::token_request(const std::string& repository, const Entry& entry) const {
  const bool with_credentials = may_see_credentials(entry.server.realm);
  // The scope in the challenge is ignored: a token must allow no more than this request needs.
  const std::string scope = "repository:" + repository + ":pull";
  ExchangeSpec spec;
  spec.url = entry.server.realm.origin() + entry.server.realm.path + "?";
  if (!entry.server.realm.query.empty()) spec.url += entry.server.realm.query + "&";
  spec.url += "service=" + http::percent_encode(entry.server.service) +
              "&scope=" + http::percent_encode(scope, ":/");
  if (with_credentials) {
    spec.url += "&account=" + http::percent_encode(settings_.credentials.username);
    spec.headers.push_back("Authorization: " + basic());
  }
  spec.headers.push_back("Accept: application/json");
  spec.host_label = host_label(entry.server.realm);
  spec.request_label = "GET token for " + repository;
  spec.gzip = true;
  spec.max_body_bytes = kMaxTokenBytes;
  spec.deadline = settings_.request_timeout;
  return spec;
}

void Tokens::deliver(const std::string& repository, const Result<oci::Token>& token) {
  const auto found = entries_.find(repository);
  assert(found != entries_.end() && found->second.flight);
  Entry& entry = found->second;
  const std::shared_ptr<Flight> flight = std::exchange(entry.flight, nullptr);
  if (!token.ok()) {
    forget_server(entry.server);
    renewals_.forget(repository);
    if (is_trouble(token.error().code)) renewals_.pause();
    // A token that can't be renewed stays good until it expires.
    if (!is_good(entry)) entries_.erase(found);
    return flight->tell(token.error());
  }
  entry.token = token->value;
  entry.expires_at = flight->started_at() + token->expires_in - kExpiryMargin;
  renewals_.on_renewed(repository, entry.expires_at);
  if (flight->has_waiters()) renewals_.on_used(repository, entry.expires_at);
  flight->tell("Bearer " + token->value);
}

// Ends the fetch after its last waiter was cancelled or reached its deadline. Forgets the token
// server, because it may never answer.
void Tokens::drop_flight(const std::string& repository) {
  const auto found = entries_.find(repository);
  assert(found != entries_.end() && found->second.flight);
  forget_server(found->second.server);
  renewals_.forget(repository);
  entries_.erase(found);
}

// A captive portal may have named the token server.
void Tokens::forget_server(const Server& server) {
  if (server_ == server) server_.reset();
}

void Tokens::make_room() {
  if (entries_.size() < kMaxEntries) return;
  std::erase_if(entries_, [](const auto& entry) { return entry.second.flight == nullptr; });
}

}  // namespace layby::upstream
