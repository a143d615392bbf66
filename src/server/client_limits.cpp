// SPDX-License-Identifier: Apache-2.0
//
// A refused request under /v2 gets an error body of the distribution API; other requests get text.

#include "server/client_limits.h"

#include <cassert>
#include <string>
#include <string_view>
#include <utility>

#include "server/forwarded.h"
#include "server/registry_answers.h"

namespace layby::server {
namespace {

Response refusal(const Request& request, oci::ApiErrorCode code, const std::string& sentence,
                 std::chrono::seconds retry_after) {
  Response response;
  if (request.path.starts_with("/v2")) {
    response = error_answer(code, sentence);
  } else {
    response.status = oci::http_status(code);
    response.headers.add("Content-Type", "text/plain; charset=utf-8");
    response.body = std::make_shared<const std::string>("layby: " + sentence + "\n");
  }
  response.headers.add("Retry-After", std::to_string(retry_after.count()));
  return response;
}

}  // namespace

ClientPlace::ClientPlace(ClientPlace&& other) noexcept
    : limits_(std::exchange(other.limits_, nullptr)), counted_(other.counted_) {}

ClientPlace& ClientPlace::operator=(ClientPlace&& other) noexcept {
  std::swap(limits_, other.limits_);
  std::swap(counted_, other.counted_);
  return *this;
}

ClientPlace::~ClientPlace() {
  if (limits_ != nullptr) limits_->leave(counted_);
}

ClientLimits::ClientLimits(const Limits& limits, const Clock& clock)
    : clock_(clock), rates_(limits.rate_per_client, limits.burst_per_client) {
  set_limits(limits);
}

void ClientLimits::set_limits(const Limits& limits) {
  most_places_ = limits.max_connections_per_client;
  rates_.set_rate(limits.rate_per_client, limits.burst_per_client);
  proxies_.clear();
  for (const std::string& text : limits.trusted_proxies) {
    const auto network = parse_ip_network(text);
    assert(network);  // The check of the configuration parses the text too.
    if (network) proxies_.push_back(*network);
  }
}

bool ClientLimits::is_proxy(const IpAddress& address) const {
  return is_trusted(address, proxies_);
}

void ClientLimits::name(ClientInfo& client, const IpAddress& address) const {
  client.ip = address;
  client.address = to_string(address);
  client.is_proxy = is_proxy(address);
}

void ClientLimits::name_forwarded(Request& request) const {
  assert(request.client.is_proxy);
  name(request.client, request.client.ip);  // New limits may not trust the proxy.
  if (!request.client.is_proxy || request.headers.count("X-Forwarded-For") == 0) return;
  const std::string list = request.headers.joined("X-Forwarded-For");
  name(request.client, forwarded_client(request.client.ip, list, proxies_));
}

std::optional<ClientPlace> ClientLimits::place_for(const ClientInfo& client) {
  if (is_exempt(client)) return ClientPlace();
  const IpAddress counted = counted_address(client.ip);
  const auto [at, is_new] = places_.emplace(counted, 0);
  assert(is_new || at->second > 0);
  if (at->second >= most_places_) return std::nullopt;
  ++at->second;
  return ClientPlace(*this, counted);
}

void ClientLimits::leave(const IpAddress& counted) {
  const auto at = places_.find(counted);
  assert(at != places_.end() && at->second > 0);
  if (--at->second == 0) places_.erase(at);
}

std::optional<Response> ClientLimits::over_rate(const Request& request) {
  if (!rates_.is_on() || is_exempt(request.client)) return std::nullopt;
  const auto wait = rates_.take(request.client.ip, clock_.steady_now());
  if (!wait) return std::nullopt;
  return refusal(request, oci::ApiErrorCode::kTooManyRequests,
                 request.client.address +
                     " sends more requests than \"limits.rate_per_client\" allows; try again later",
                 *wait);
}

std::optional<Response> ClientLimits::judge(Request& request, ClientPlace& place) {
  if (request.client.is_proxy) {
    name_forwarded(request);
    auto of_client = place_for(request.client);
    if (!of_client) {
      return refusal(request, oci::ApiErrorCode::kUnavailable,
                     request.client.address + " has too many connections", std::chrono::seconds(1));
    }
    place = std::move(*of_client);
  }
  return over_rate(request);
}

}  // namespace layby::server
