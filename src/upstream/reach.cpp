// SPDX-License-Identifier: Apache-2.0
//
// curl doesn't tell whether a socket leads to a proxy, so the port of the socket decides. The
// section "Environment variables" of CURLOPT_PROXY(3) has curl's rules for the variables of the
// environment.

#include "upstream/reach.h"

#include <ifaddrs.h>

#include <algorithm>
#include <cstdlib>
#include <initializer_list>
#include <memory>
#include <string_view>
#include <utility>

#include "layby/base/number.h"

namespace layby::upstream {
namespace {

constexpr std::uint16_t kProxyPort = 1080;
constexpr std::uint16_t kHttpsProxyPort = 443;
constexpr std::string_view kAdvice =
    "; if the registry's content is there, set upstreams[].allow_private_redirects";

struct FreeAddresses {
  void operator()(ifaddrs* list) const { ::freeifaddrs(list); }
};

bool is_own_address(const IpAddress& address) {
  if (policy::scope_of(address) == policy::AddressScope::kLoopback) return true;
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return false;
  const std::unique_ptr<ifaddrs, FreeAddresses> list(first);
  for (const ifaddrs* at = list.get(); at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr != nullptr && ip_address_of(*at->ifa_addr) == address) return true;
  }
  return false;
}

// The value of the first of the variables `names` that isn't empty; "" if all are empty.
std::string first_of_environment(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value != '\0') return value;
  }
  return "";
}

// curl ignores HTTP_PROXY in capitals, because a web server puts its client's header "Proxy" into
// the variable HTTP_PROXY of a CGI program.
std::string proxy_of_environment(const std::string& scheme) {
  return scheme == "https"
             ? first_of_environment({"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"})
             : first_of_environment({"http_proxy", "all_proxy", "ALL_PROXY"});
}

}  // namespace

std::uint16_t proxy_port(std::string_view text) {
  const std::uint16_t fallback = text.starts_with("https:") ? kHttpsProxyPort : kProxyPort;
  if (const auto at = text.find("://"); at != std::string_view::npos) text.remove_prefix(at + 3);
  text = text.substr(0, text.find('/'));
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return fallback;
  const auto port = parse_number(text.substr(colon + 1));
  return port && *port <= 0xffff ? static_cast<std::uint16_t>(*port) : fallback;
}

Reach::Reach(Settings settings, const std::vector<std::uint16_t>& own_ports)
    : settings_(std::move(settings)), own_ports_(own_ports) {}

void Reach::note_answer(const http::Url& url, const SocketAddress& peer) {
  if (url.origin() != settings_.registry.origin()) return;
  home_ = may_be_proxy(url, peer) ? policy::AddressScope::kPublic : policy::scope_of(peer.address);
}

std::string Reach::refusal(const http::Url& url, const SocketAddress& peer) const {
  if (url.origin() == settings_.registry.origin() || is_proxy(url, peer)) return "";
  const std::string where = "sends us to " + to_string(peer.address);
  if (is_own_listener(peer)) return where + ", where Layby itself serves";
  const policy::AddressScope scope = policy::scope_of(peer.address);
  if (policy::may_send_to(home_, scope, settings_.allow_private)) return "";
  const std::string reason = where + ", " + std::string(policy::to_string(scope));
  return policy::may_send_to(home_, scope, true) ? reason + std::string(kAdvice) : reason;
}

bool Reach::may_be_proxy(const http::Url& url, const SocketAddress& peer) const {
  const std::string proxy =
      settings_.proxy.empty() ? proxy_of_environment(url.scheme) : settings_.proxy;
  return !proxy.empty() && peer.port == proxy_port(proxy);
}

// NO_PROXY may exempt a host from the proxy, and a registry may send our requests to an exempt
// host. So if NO_PROXY is set, and `url` has the same port as the proxy, the socket counts as a
// socket to the host of `url`.
bool Reach::is_proxy(const http::Url& url, const SocketAddress& peer) const {
  return may_be_proxy(url, peer) &&
         (peer.port != url.port || first_of_environment({"no_proxy", "NO_PROXY"}).empty());
}

bool Reach::is_own_listener(const SocketAddress& peer) const {
  return std::find(own_ports_.begin(), own_ports_.end(), peer.port) != own_ports_.end() &&
         is_own_address(peer.address);
}

}  // namespace layby::upstream
