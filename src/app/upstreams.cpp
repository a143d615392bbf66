// SPDX-License-Identifier: Apache-2.0
//
// A parent gets no credentials, because a parent has its own credentials. Requests to a parent are
// not limited by requests_per_minute, because a parent, unlike a registry, doesn't block frequent
// clients.

#include "app/upstreams.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <string>
#include <utility>

#include "layby/app/version.h"
#include "layby/base/fd.h"
#include "layby/cache/failover.h"
#include "layby/http/headers.h"
#include "layby/http/url.h"
#include "layby/policy/freshness.h"
#include "layby/upstream/registry.h"

namespace layby::app {
namespace {

Result<upstream::RegistryOptions> common_options(const UpstreamConfig& from, const Config& config,
                                                 const std::string& address) {
  auto url = http::parse_url(address);
  if (!url.ok()) return std::move(url).error();
  upstream::RegistryOptions options = config.registry;
  options.name = from.name;
  options.url = std::move(*url);
  options.request_timeout = config.rules.request_timeout;
  options.user_agent = fmt::format("layby/{}", version());
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
  options->allow_private_redirects = from.allow_private_redirects;
  return options;
}

Result<upstream::RegistryOptions> parent_options(const UpstreamConfig& from, const Config& config) {
  auto options = common_options(from, config, from.parent);
  if (!options.ok()) return options;
  options->ns = from.name;
  options->ca_file = from.parent_ca_file;
  return options;
}

Result<UpstreamPlan> plan_upstream(const UpstreamConfig& from, const Config& config) {
  auto registry = registry_options(from, config);
  if (!registry.ok()) return std::move(registry).error();
  UpstreamPlan plan;
  plan.name = from.name;
  plan.address = from.url;
  plan.allow = from.allow;
  plan.deny = from.deny;
  plan.is_private = !from.username.empty();
  plan.connections_per_blob = from.connections_per_blob;
  plan.guard.requests_per_minute = from.requests_per_minute;
  plan.guard.max_blob_transfers = static_cast<std::size_t>(from.max_downloads);
  plan.guard.reserve = config.quota_reserve;
  plan.guard.request_timeout = config.rules.request_timeout;
  plan.registry = std::move(*registry);
  if (from.parent.empty()) return plan;
  auto parent = parent_options(from, config);
  if (!parent.ok()) return std::move(parent).error();
  plan.parent = std::move(*parent);
  return plan;
}

// A parent's answer may be as old as a cached tag that this box serves without waiting for a check.
// The answer follows later changes of `rules`.
cache::Failover::AgeLimit age_limit(const cache::Rules& rules) {
  return [&rules](const std::string& repository, const oci::Tag& tag) {
    const auto fresh_for = policy::fresh_for(rules.tag_rules, repository, tag, rules.fresh_for);
    return fresh_for + std::min(rules.stale_while_revalidate, policy::kForever - fresh_for);
  };
}

}  // namespace

Result<std::vector<UpstreamPlan>> plan_upstreams(const Config& config) {
  std::vector<UpstreamPlan> plans;
  for (const UpstreamConfig& from : config.upstreams) {
    auto plan = plan_upstream(from, config);
    if (!plan.ok()) return std::move(plan).error();
    plans.push_back(std::move(*plan));
  }
  return plans;
}

std::vector<cache::Origin> Upstreams::make_origins(std::vector<UpstreamPlan> plans) {
  std::vector<Made> made;
  std::vector<cache::Origin> origins;
  for (UpstreamPlan& plan : plans) {
    made.push_back(remake(std::move(plan)));
    const auto& [of, upstream, registry, parent] = made.back();
    origins.push_back(
        {of.name, of.allow, upstream, of.deny, of.is_private, of.connections_per_blob});
  }
  made_ = std::move(made);
  return origins;
}

// Keeps the upstream of a former plan that differs only in allow and deny, or not at all. Otherwise
// makes a new upstream.
Upstreams::Made Upstreams::remake(UpstreamPlan plan) const {
  for (const Made& before : made_) {
    UpstreamPlan same = before.plan;
    same.allow = plan.allow;
    same.deny = plan.deny;
    if (same == plan) return {std::move(plan), before.upstream, before.registry, before.parent};
  }
  return make(std::move(plan));
}

Upstreams::Made Upstreams::make(UpstreamPlan plan) const {
  const auto guard = [this](const std::string& name, const cache::GuardRules& rules,
                            upstream::RegistryOptions options) {
    options.box = context_.box;
    auto registry = std::make_unique<upstream::Registry>(std::move(options), context_.multi,
                                                         context_.clock, context_.counters);
    // The guard of a parent sends a ping of its own.
    if (!rules.probe_first) registry->greet();
    return std::make_unique<cache::Guard>(name, rules, std::move(registry), context_.timers,
                                          context_.clock, context_.events);
  };
  auto registry = guard(plan.name, plan.guard, plan.registry);
  Made made{std::move(plan), nullptr, registry.get(), nullptr};
  if (!made.plan.parent) {
    made.upstream = std::move(registry);
    return made;
  }
  cache::GuardRules rules = made.plan.guard;
  rules.requests_per_minute = 0;
  rules.probe_first = true;
  auto parent = guard("the parent of " + made.plan.name, rules, *made.plan.parent);
  made.parent = parent.get();
  made.upstream = std::make_shared<cache::Failover>(std::move(parent), std::move(registry),
                                                    context_.clock, age_limit(context_.rules));
  return made;
}

std::vector<admin::UpstreamState> Upstreams::states() const {
  std::vector<admin::UpstreamState> states;
  for (const Made& made : made_) {
    assert(made.registry != nullptr);
    states.push_back({made.plan.name, made.plan.address, made.registry->status(),
                      made.parent ? std::optional(made.parent->status()) : std::nullopt,
                      made.registry->quota()});
  }
  return states;
}

}  // namespace layby::app
