// SPDX-License-Identifier: Apache-2.0
//
// One manifest on its way from upstream: fetched, verified, given to all waiters, then
// stored. The fetch stays in its table until the manifest is stored, so that nobody
// fetches it twice. Invariants: waiters get verified bytes only; answer_ is set once; the
// fetch leaves its table once. States in DESIGN.md.

#ifndef LAYBY_CACHE_MANIFEST_FETCH_H_
#define LAYBY_CACHE_MANIFEST_FETCH_H_

#include <optional>
#include <string>
#include <vector>

#include "cache/manifests.h"
#include "cache/waiters.h"

namespace layby::cache {

class ManifestFetch : public std::enable_shared_from_this<ManifestFetch> {
 public:
  ManifestFetch(Manifests& owner, const Origin& origin, std::string repository,
                oci::Reference reference);
  void start();

  // Calls `done` with the verified manifest or the error; before it returns, if the
  // manifest is there already.
  Handle wait(Manifests::Done done);

  // Calls `done` when the manifest is stored, or with the reason why it is not.
  Handle wait_stored(std::function<void(Status)> done) { return keepers_.add(std::move(done)); }

  // Adds a tag to confirm when the manifest is stored.
  void add_tag(const TagKey& tag) { tags_.push_back(tag); }

 private:
  void on_body(Result<ManifestAnswer> answer);
  void on_stored(const Status& status);
  void finish();

  Manifests& owner_;
  const Origin& origin_;
  const std::string repository_;
  const oci::Reference reference_;
  Handle request_;
  Waiters<Result<ManifestAnswer>> waiters_;
  Waiters<Status> keepers_;
  std::optional<ManifestAnswer> answer_;  // Verified; being stored.
  std::vector<TagKey> tags_;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_MANIFEST_FETCH_H_
