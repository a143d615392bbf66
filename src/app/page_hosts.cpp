// SPDX-License-Identifier: Apache-2.0
//
// Names are compared in lower case, without the port and without a dot at the end.

#include "app/page_hosts.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "layby/base/encoding.h"
#include "layby/base/ip_address.h"
#include "layby/base/log.h"
#include "layby/web/answers.h"

namespace layby::app {
namespace {

// The host of "host:5000", "[2001:db8::1]:5000" and so on.
std::string host_of(std::string_view field) {
  if (field.starts_with('[')) {
    return std::string(field.substr(1, std::min(field.find(']'), field.size()) - 1));
  }
  std::string host = to_lower_case(field.substr(0, field.find(':')));
  if (host.ends_with('.')) host.pop_back();
  return host;
}

}  // namespace

PageHosts::PageHosts(std::vector<std::string> configured, std::function<std::string()> own_name)
    : configured_(std::move(configured)), own_name_(std::move(own_name)) {}

void PageHosts::set_configured(std::vector<std::string> configured) {
  configured_ = std::move(configured);
}

std::optional<server::Response> PageHosts::judge(const server::Request& request) const {
  const auto field = request.headers.get("Host");
  if (!field || request.client.is_local || request.path == "/healthz") return std::nullopt;
  const std::string host = host_of(*field);
  const bool configured =
      std::find(configured_.begin(), configured_.end(), host) != configured_.end();
  if (configured || parse_ip_address(host) || is_own(host)) return std::nullopt;
  return web::error_answer(
      request, 421,
      fmt::format("\"{0}\" is no name of this box; use the box's address, or add \"{0}\" to "
                  "\"hosts\" in layby's configuration",
                  log::printable(host)));
}

bool PageHosts::is_own(std::string_view name) const {
  if (name == "localhost") return true;
  const std::string own = to_lower_case(own_name_());
  const std::string label = own.substr(0, own.find('.'));
  return !label.empty() && (name == own || name == label || name == label + ".local");
}

std::string PageHosts::host_name() {
  std::array<char, 256> name{};
  const bool known = ::gethostname(name.data(), name.size() - 1) == 0;
  return known ? name.data() : "";
}

}  // namespace layby::app
