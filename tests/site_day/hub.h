// SPDX-License-Identifier: Apache-2.0
//
// Simulates Docker Hub's pull limit and its round trip time. The hub counts each manifest that it
// sends, and allows 100 in any six hours. Answers about manifests state how many pulls are left;
// without a pull left, the hub answers 429. Every request takes a round trip; blobs also use the
// link. Time is simulated.

#ifndef LAYBY_TESTS_SITE_DAY_HUB_H_
#define LAYBY_TESTS_SITE_DAY_HUB_H_

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "layby/base/clock.h"
#include "layby/cache/upstream.h"
#include "site_day/images.h"
#include "site_day/link.h"

namespace layby::site_day {

class Hub final : public cache::Upstream {
 public:
  // All arguments passed by reference outlive the Hub.
  Hub(const Images& images, Link& link, Timers& timers, const Clock& clock)
      : images_(images), link_(link), timers_(timers), clock_(clock) {}

  std::uint64_t pulls() const { return pulls_; }
  std::uint64_t manifest_bytes() const { return manifest_bytes_; }
  // How often each blob was asked for.
  const std::map<oci::Digest, int>& blob_gets() const { return blob_gets_; }
  // How often each manifest was sent.
  const std::map<oci::Digest, int>& manifest_gets() const { return manifest_gets_; }

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
  class Transfer;

  const testing::TestManifest* find(const std::string& repository,
                                    const oci::Reference& reference) const;
  std::uint64_t left();
  // Answers after a round trip. The answer states the limit at the time of the request.
  template <typename T>
  Handle answer(Result<T> with, Done<T> done);

  const Images& images_;
  Link& link_;
  Timers& timers_;
  const Clock& clock_;
  std::deque<SteadyTime> counted_;  // The pulls of the last six hours.
  std::optional<policy::QuotaState> quota_;
  std::uint64_t pulls_ = 0;
  std::uint64_t manifest_bytes_ = 0;
  std::map<oci::Digest, int> blob_gets_;
  std::map<oci::Digest, int> manifest_gets_;
};

}  // namespace layby::site_day

#endif  // LAYBY_TESTS_SITE_DAY_HUB_H_
