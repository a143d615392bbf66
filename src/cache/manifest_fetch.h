// SPDX-License-Identifier: Apache-2.0
//
// One manifest on its way from upstream: fetched, verified, given to all waiters, then
// stored. The fetch stays in its table until the manifest is stored, so that nobody
// fetches it twice. Invariants: waiters get verified bytes only; answer_ is set from
// kStoring on; the fetch leaves its table when it is over. States in DESIGN.md.

#ifndef LAYBY_CACHE_MANIFEST_FETCH_H_
#define LAYBY_CACHE_MANIFEST_FETCH_H_

#include <optional>
#include <string>
#include <vector>

#include "cache/manifests.h"
#include "cache/waiters.h"

namespace layby::cache {

enum class ManifestFetchState {
  kNew,      // Upstream wasn't asked yet.
  kAsking,   // Upstream was asked, or is asked again after a failure. Askers wait.
  kStoring,  // The verified manifest was given to the askers. The store writes it.
  kOver,     // Stored, or given up. The table has forgotten the fetch.
};

class ManifestFetch : public std::enable_shared_from_this<ManifestFetch> {
 public:
  ManifestFetch(Manifests& owner, const Origin& origin, std::string repository,
                oci::Reference reference);
  // Asks upstream. Called once, and answers nobody inside the call.
  void start();

  // Calls `done` with the verified manifest or the error; before it returns, if the
  // manifest is there already.
  Handle wait(Manifests::Done done);

  // Calls `done` when the manifest is stored, or with the reason why it is not.
  Handle wait_stored(std::function<void(Status)> done) { return keepers_.add(std::move(done)); }

  // Adds a tag to confirm when the manifest is stored.
  void add_tag(const TagKey& tag) { tags_.push_back(tag); }

 private:
  void enter(ManifestFetchState next);
  void on_body(Result<ManifestAnswer> answer);
  void on_stored(const Status& status);
  void finish();

  Manifests& owner_;
  const Origin& origin_;
  const std::string repository_;
  const oci::Reference reference_;
  ManifestFetchState state_ = ManifestFetchState::kNew;
  Handle request_;
  Waiters<Result<ManifestAnswer>> waiters_;
  Waiters<Status> keepers_;
  std::optional<ManifestAnswer> answer_;  // Verified.
  std::vector<TagKey> tags_;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_MANIFEST_FETCH_H_
