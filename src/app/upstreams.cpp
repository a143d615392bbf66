// SPDX-License-Identifier: Apache-2.0
//
// A parent gets no credentials, because it has its own. Requests to a parent have no limit,
// because a parent doesn't block frequent clients as a registry does.

#include "app/upstreams.h"

#include <cassert>
#include <string>
#include <utility>

#include "layby/app/version.h"
#include "layby/base/fd.h"
#include "layby/cache/failover.h"
#include "layby/http/headers.h"
#include "layby/http/url.h"
#include "layby/upstream/registry.h"

namespace layby::app {
namespace {

constexpr std::uint64_t kMaxPasswordBytes = 64 << 10;

Result<upstream::RegistryOptions> common_options(const UpstreamConfig& from, const Config& config,
                                                 const std::string& address) {
  auto url = http::parse_url(address);
  if (!url.ok()) return std::move(url).error();
  upstream::RegistryOptions options;
  options.name = from.name;
  options.url = std::move(*url);
  options.connect_timeout = config.upstream.connect_timeout;
  options.stall_timeout = config.upstream.stall_timeout;
  options.request_timeout = config.upstream.request_timeout;
  options.max_blob_transfers = static_cast<std::size_t>(from.max_downloads);
  options.user_agent = std::string("layby/") + version();
  return options;
}

Result<upstream::RegistryOptions> registry_options(const UpstreamConfig& from,
                                                   const Config& config) {
  auto options = common_options(from, config, from.url);
  if (!options.ok()) return options;
  options->username = from.username;
  if (!from.password_file.empty()) {
    auto password = read_file(from.password_file, kMaxPasswordBytes);
    if (!password.ok()) return std::move(password).error();
    options->password = http::trim(password->substr(0, password->find_first_of("\r\n")));
  }
  options->ca_file = from.ca_file;
  options->proxy = from.proxy;
  return options;
}

Result<upstream::RegistryOptions> parent_options(const UpstreamConfig& from, const Config& config) {
  auto options = common_options(from, config, from.parent);
  if (!options.ok()) return options;
  options->ns = from.name;
  options->ca_file = from.parent_ca_file;
  return options;
}

std::string_view link_text(const cache::GuardStatus& status) {
  switch (status.link) {
    case policy::Breaker::State::kClosed:
      return "up";
    case policy::Breaker::State::kDoubtful:
      return "doubtful";
    case policy::Breaker::State::kOpen:
      return "down";
  }
  return "";
}

}  // namespace

policy::QuotaReserve quota_reserve(const CountLimit& limit) {
  if (const auto* percent = std::get_if<Percent>(&limit)) return {percent->value, 0};
  return {0, static_cast<std::uint64_t>(std::get<int>(limit))};
}

Result<Upstreams> Upstreams::make(const Config& config, upstream::Multi& multi, Timers& timers,
                                  const Clock& clock, Counters& counters, events::Events& events) {
  Upstreams all;
  for (const UpstreamConfig& from : config.upstreams) {
    cache::GuardRules rules;
    rules.requests_per_minute = from.requests_per_minute;
    rules.reserve = quota_reserve(config.quota.reserve);
    rules.request_timeout = config.upstream.request_timeout;
    const auto guard = [&](const std::string& name, upstream::RegistryOptions options) {
      auto registry =
          std::make_unique<upstream::Registry>(std::move(options), multi, clock, counters);
      return std::make_unique<cache::Guard>(name, rules, std::move(registry), timers, clock,
                                            events);
    };
    auto options = registry_options(from, config);
    if (!options.ok()) return options.error();
    auto registry = guard(from.name, std::move(*options));
    Watched watched{from.name, from.url, registry.get(), nullptr};
    cache::Origin origin{from.name, from.allow, std::move(registry), from.deny};
    origin.is_private = !from.username.empty();
    if (!from.parent.empty()) {
      auto of_parent = parent_options(from, config);
      if (!of_parent.ok()) return of_parent.error();
      rules.requests_per_minute = 0;
      auto parent = guard("the parent of " + from.name, std::move(*of_parent));
      watched.parent = parent.get();
      origin.upstream =
          std::make_unique<cache::Failover>(std::move(parent), std::move(origin.upstream));
    }
    all.watched_.push_back(std::move(watched));
    all.origins_.push_back(std::move(origin));
  }
  return all;
}

std::vector<admin::UpstreamState> Upstreams::states() const {
  std::vector<admin::UpstreamState> states;
  for (const Watched& watched : watched_) {
    assert(watched.registry != nullptr);
    const cache::GuardStatus status = watched.registry->status();
    admin::UpstreamState state;
    state.name = watched.name;
    state.url = watched.url;
    state.link = link_text(status);
    state.link_seconds = status.link_since;
    state.throttled = status.throttled_for;
    state.pulls_throttled = status.pulls_throttled_for;
    if (watched.parent != nullptr) state.parent_link = link_text(watched.parent->status());
    if (const auto quota = watched.registry->quota()) {
      state.quota_limit = quota->limit.count;
      state.quota_remaining = quota->remaining.count;
      state.quota_window = quota->limit.window;
    }
    states.push_back(std::move(state));
  }
  return states;
}

}  // namespace layby::app
