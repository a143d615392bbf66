// SPDX-License-Identifier: Apache-2.0
//
// A parent Layby, as a child sees it over the site's network. The parent trusts the child, so each
// request counts for the client that the child tells. A parent that crashes breaks off its answers.
// The deadlines and the floor of the rate are those of layby/upstream/registry.h.

#ifndef LAYBY_TESTS_SIMULATION_PARENT_LINK_H_
#define LAYBY_TESTS_SIMULATION_PARENT_LINK_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "layby/cache/upstream.h"
#include "simulation/box.h"

namespace layby::simulation {

class ParentLink final : public cache::Upstream {
 public:
  // `address` and `timers` are the child's. References outlive the link.
  ParentLink(Box& parent, const IpAddress& address, Timers& timers, const Clock& clock)
      : parent_(parent), address_(address), timers_(timers), clock_(clock) {}

  using Upstream::on_behalf_of;
  ParentLink& on_behalf_of(cache::Askers askers) override {
    next_askers_ = std::move(askers);
    return *this;
  }
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
  std::optional<policy::QuotaState> quota() const override { return std::nullopt; }

 private:
  template <typename T>
  class Question;
  class Transfer;

  Handle manifest(const std::string& repository, const oci::Reference& reference, bool head,
                  std::chrono::milliseconds deadline, Done<cache::ManifestAnswer> done);

  // The client for which the parent counts a request on behalf of `clients`.
  IpAddress counted(const std::vector<IpAddress>& clients) const;
  // The same for the next request, see on_behalf_of().
  IpAddress next_counted();

  Box& parent_;
  const IpAddress address_;
  Timers& timers_;
  const Clock& clock_;
  cache::Askers next_askers_;
};

}  // namespace layby::simulation

#endif  // LAYBY_TESTS_SIMULATION_PARENT_LINK_H_
