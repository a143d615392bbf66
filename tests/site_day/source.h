// SPDX-License-Identifier: Apache-2.0
//
// The source of a docker daemon's images: the registry itself, or Layby. No answer comes
// inside the call that asks. Dropping a handle cancels the request.

#ifndef LAYBY_TESTS_SITE_DAY_SOURCE_H_
#define LAYBY_TESTS_SITE_DAY_SOURCE_H_

#include <functional>
#include <string>

#include "layby/cache/cache.h"

namespace layby::site_day {

class Source {
 public:
  virtual ~Source() = default;

  template <typename T>
  using Done = std::function<void(Result<T>)>;

  // The digest of a tag.
  virtual Handle head(const std::string& repository, const std::string& tag,
                      Done<oci::Digest> done) = 0;
  virtual Handle get_manifest(const std::string& repository, const oci::Digest& digest,
                              Done<cache::ManifestBody> done) = 0;
  // Calls `done` when the whole blob has come.
  virtual Handle fetch_blob(const std::string& repository, const oci::Digest& digest,
                            std::function<void(Status)> done) = 0;
};

// All arguments passed by reference outlive a source.
class DirectSource final : public Source {
 public:
  explicit DirectSource(cache::Upstream& registry) : registry_(registry) {}
  Handle head(const std::string& repository, const std::string& tag,
              Done<oci::Digest> done) override;
  Handle get_manifest(const std::string& repository, const oci::Digest& digest,
                      Done<cache::ManifestBody> done) override;
  Handle fetch_blob(const std::string& repository, const oci::Digest& digest,
                    std::function<void(Status)> done) override;

 private:
  cache::Upstream& registry_;
};

class LaybySource final : public Source {
 public:
  LaybySource(cache::Cache& cache, Timers& timers) : cache_(cache), timers_(timers) {}
  Handle head(const std::string& repository, const std::string& tag,
              Done<oci::Digest> done) override;
  Handle get_manifest(const std::string& repository, const oci::Digest& digest,
                      Done<cache::ManifestBody> done) override;
  Handle fetch_blob(const std::string& repository, const oci::Digest& digest,
                    std::function<void(Status)> done) override;

 private:
  const cache::Origin& origin() const { return *cache_.find_origin(""); }

  cache::Cache& cache_;
  Timers& timers_;
};

}  // namespace layby::site_day

#endif  // LAYBY_TESTS_SITE_DAY_SOURCE_H_
