// SPDX-License-Identifier: Apache-2.0
//
// A registry with its CDN and its token server, as one box sees them, over the box's link. The
// adversary decides the fate of each request; deadlines and the floor of the rate are those of
// layby/upstream/registry.h. The uplink also counts its requests, for the promises about the
// registry. An uplink lives as long as one life of its box.

#ifndef LAYBY_TESTS_SIMULATION_UPLINK_H_
#define LAYBY_TESTS_SIMULATION_UPLINK_H_

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "layby/cache/upstream.h"
#include "simulation/adversary.h"
#include "simulation/content.h"
#include "simulation/invariants.h"
#include "simulation/world.h"
#include "site_day/link.h"

namespace layby::simulation {

// What all boxes share. Each of the four outlives every object that gets an Internet.
struct Internet {
  World& world;
  Content& content;
  Adversary& adversary;
  Invariants& invariants;
};

// The pulls of one address that the registry has counted.
struct PullWindow {
  std::deque<SteadyTime> counted;
};

class Uplink final : public cache::Upstream {
 public:
  struct Place {
    std::size_t box = 0;
    Timers& timers;
    site_day::Link& link;
    PullWindow& pulls;
    int requests_per_minute = 0;
    // How many fills of a digest the box has.
    std::function<std::size_t(const oci::Digest&)> fills;
    // How often somebody asked the box for a digest lately.
    std::function<std::size_t(const std::string&)> wants;
  };
  Uplink(const Internet& internet, Place place);
  ~Uplink() override;

  // Requests under way.
  std::size_t open() const { return open_; }

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
  std::optional<policy::QuotaState> quota() const override { return quota_; }

 private:
  class Pending;
  class Transfer;

  template <typename T>
  Handle ask(What what, const std::string& name, milliseconds deadline,
             std::function<Result<T>(const Fate&)> answer, Done<T> done);
  void note_sent(What what);
  void begin_get(const std::string& name, bool is_part = false);
  void end_get(const std::string& name);
  const testing::TestManifest* find(const std::string& repository,
                                    const oci::Reference& reference) const;
  Result<cache::ManifestBody> pull(const std::string& repository, const oci::Reference& reference,
                                   const Fate& fate);
  std::uint64_t pulls_left();

  const Internet internet_;
  const Place place_;
  std::optional<policy::QuotaState> quota_;
  std::deque<SteadyTime> sent_;                         // The times of the last minute's requests.
  std::map<std::string, std::deque<SteadyTime>> gets_;  // The times of each blob's latest GETs.
  std::map<std::string, std::size_t> under_way_;        // GETs by digest.
  std::size_t open_ = 0;
};

}  // namespace layby::simulation

#endif  // LAYBY_TESTS_SIMULATION_UPLINK_H_
