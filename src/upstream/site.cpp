// SPDX-License-Identifier: Apache-2.0
//
// Turns a registry's options into the parts that all requests to the registry share.

#include "upstream/site.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "layby/http/box_id.h"
#include "layby/policy/address_scope.h"
#include "upstream/failure.h"

namespace layby::upstream {
namespace {

std::string base_of(const http::Url& url) {
  std::string path = url.path;
  while (path.ends_with('/')) path.pop_back();
  return url.origin() + path + "/v2/";
}

}  // namespace

Site::Site(RegistryOptions given, Multi& multi, const Clock& given_clock, Counters& given_counters)
    : options(std::move(given)),
      reach({options.url, options.proxy, options.allow_private_redirects},
            multi.driver().own_ports()),
      transport{reach, options.ca_file, options.proxy, options.user_agent, options.connect_timeout},
      driver(multi.driver()),
      clock(given_clock),
      counters(given_counters),
      base(base_of(options.url)),
      host(host_label(options.url)),
      tokens({options.url, {options.username, options.password}, options.request_timeout}, driver,
             transport, driver.loop(), clock, counters) {}

std::string Site::url(const std::string& path) const {
  if (options.ns.empty()) return base + path;
  const bool has_query = path.find('?') != std::string::npos;
  return base + path + (has_query ? "&ns=" : "?ns=") + http::percent_encode(options.ns);
}

void Site::note_boxes(const http::Headers& headers) {
  boxes = http::box_ids(headers.joined("via"));
}

std::string Site::told_client(const std::vector<IpAddress>& clients) const {
  if (!options.is_parent() || clients.empty()) return "";
  const bool is_this_box = clients.front() == IpAddress() ||
                           policy::scope_of(clients.front()) == policy::AddressScope::kLoopback;
  return is_this_box ? "" : to_string(clients.front());
}

std::string Site::loop_header() const {
  return options.box.empty() ? "" : "CDN-Loop: " + options.box;
}

void Site::note_quota(std::uint64_t number, const http::Headers& headers) {
  assert(number >= 1 && number <= requests_sent && sent_before_quota <= requests_sent);
  const auto value = [&](std::string_view name) { return headers.get(name).value_or(""); };
  const auto limit = policy::parse_quota(value("ratelimit-limit"));
  const auto remaining = policy::parse_quota(value("ratelimit-remaining"));
  const auto before = std::exchange(quota, std::nullopt);
  if (!limit || !remaining) return;
  quota = policy::QuotaState{*limit, *remaining, std::string(value("docker-ratelimit-source")),
                             clock.wall_now()};
  // Answers overtake each other. If request `number` was already sent when the last pull limit
  // was read, the new values may be older, so they must not raise the remaining pulls.
  if (before && number <= sent_before_quota && before->limit == *limit) {
    quota->remaining.count = std::min(quota->remaining.count, before->remaining.count);
  }
  sent_before_quota = requests_sent;
}

}  // namespace layby::upstream
