// SPDX-License-Identifier: Apache-2.0
//
// A registry like Docker Hub (OCI distribution-spec 1.1, Docker's token specification),
// over HTTP/1.1 by libcurl: token challenge, redirects, proxies, TLS. Credentials go only to
// the registry and to a token server of the registry's site. A token goes only to the registry's
// own scheme, host and port. A Registry outlives the requests that it started. Loop thread only.

#ifndef LAYBY_UPSTREAM_REGISTRY_H_
#define LAYBY_UPSTREAM_REGISTRY_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "layby/base/clock.h"
#include "layby/base/counters.h"
#include "layby/cache/rules.h"
#include "layby/cache/upstream.h"
#include "layby/http/url.h"
#include "layby/policy/quota.h"
#include "layby/policy/rate_floor.h"
#include "layby/upstream/multi.h"

namespace layby::upstream {

struct RegistryOptions {
  std::string name;  // "docker.io"
  http::Url url;     // "https://registry-1.docker.io"; /v2/ is appended to the URL's path.
  // For a parent, which is another Layby and serves several registries: the parent's name for the
  // wanted registry ("ghcr.io"); "" for none. Every request under /v2/ has the name as ?ns=, as
  // containerd's requests do. Token servers and redirect targets never get the name. A parent is
  // also told for which client it is asked (X-Forwarded-For); no other server is.
  std::string ns;
  // The id of this box, which every request to the registry names in CDN-Loop (RFC 8586), so that
  // a box recognises its own requests; "" for none.
  std::string box;
  std::string username;
  std::string password;
  std::string ca_file;  // PEM, trusted in addition to the system's CAs; "" for none.
  std::string proxy;    // "" means HTTPS_PROXY, http_proxy and NO_PROXY of the environment.
  // Whether the registry may send us to private and loopback addresses, by redirects and token
  // servers (policy::may_send_to).
  bool allow_private_redirects = false;
  std::chrono::milliseconds connect_timeout{5'000};  // For name lookup, TCP and TLS.
  std::chrono::milliseconds stall_timeout{30'000};   // For a blob's next byte, pauses excluded.
  policy::RateFloorRules floor{};                    // For the body of a blob.
  // For a whole small request, including the fetch of its token.
  std::chrono::milliseconds request_timeout = cache::kRequestTimeout;
  std::string user_agent = "layby";

  bool is_parent() const { return !ns.empty(); }
  bool operator==(const RegistryOptions&) const = default;
};

struct Site;

class Registry final : public cache::Upstream {
 public:
  Registry(RegistryOptions options, Multi& multi, const Clock& clock, Counters& counters);
  ~Registry() override;

  using Upstream::on_behalf_of;
  Registry& on_behalf_of(cache::Askers askers) override;
  // Asks for the base URL once. The answer's challenge names the token server, and the connection
  // stays open, so the first pull saves these round trips. A failure is ignored. Called at most
  // once.
  void greet();

  Handle head_manifest(const std::string& repository, const oci::Reference& reference,
                       std::chrono::milliseconds deadline, Done<cache::ManifestHead> done) override;
  Handle get_manifest(const std::string& repository, const oci::Reference& reference,
                      Done<cache::ManifestBody> done) override;
  Handle head_blob(const std::string& repository, const oci::Digest& digest,
                   Done<cache::BlobHead> done) override;
  std::unique_ptr<cache::BlobTransfer> get_blob(const std::string& repository,
                                                const oci::Digest& digest,
                                                const cache::BlobSpan& span,
                                                cache::BlobSink& sink) override;
  Handle get_tags(const std::string& repository, const cache::TagPageRequest& page,
                  Done<cache::TagPage> done) override;
  Handle get_referrers(const std::string& repository, const oci::Digest& digest,
                       const std::string& artifact_type, Done<std::string> done) override;
  Handle ping(std::chrono::milliseconds deadline, std::function<void(Status)> done) override;
  std::optional<policy::QuotaState> quota() const override;
  std::vector<std::string> boxes() const override;

 private:
  // The client to tell in the next request, see on_behalf_of().
  std::string next_client();

  std::unique_ptr<Site> site_;
  std::string next_client_;
  Handle greeting_;  // The request of greet() under way.
};

}  // namespace layby::upstream

#endif  // LAYBY_UPSTREAM_REGISTRY_H_
