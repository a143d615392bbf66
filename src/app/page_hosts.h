// SPDX-License-Identifier: Apache-2.0
//
// The names under which the pages are served. The Host of a request is the name in the URL that a
// browser opened. If Host is neither a name of this box nor a configured name, a foreign web page
// may have made its own name resolve to this box (DNS rebinding). Such a web page must not read the
// pages. The registry's API is served under every name. Lives on the loop thread.

#ifndef LAYBY_SRC_APP_PAGE_HOSTS_H_
#define LAYBY_SRC_APP_PAGE_HOSTS_H_

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layby/server/http_server.h"

namespace layby::app {

class PageHosts {
 public:
  // `configured` has names in addition to the names of this box, in lower case. `own_name` returns
  // the host name of this machine, which may change at any time.
  explicit PageHosts(std::vector<std::string> configured,
                     std::function<std::string()> own_name = &PageHosts::host_name);

  // Replaces the configured names.
  void set_configured(std::vector<std::string> configured);

  // The answer that refuses a request for a page; nullopt lets the request pass. A request passes
  // if its Host is a known name or an IP address. A request over the Unix socket, for /healthz, or
  // without Host always passes.
  std::optional<server::Response> judge(const server::Request& request) const;

  // The host name of this machine (gethostname(2)).
  static std::string host_name();

 private:
  bool is_own(std::string_view name) const;

  std::vector<std::string> configured_;
  const std::function<std::string()> own_name_;
};

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_PAGE_HOSTS_H_
