// SPDX-License-Identifier: Apache-2.0
//
// Fetches one manifest from upstream, verifies it, gives it to all waiters, then stores it. The
// fetch stays in its table until the manifest is stored, so that no manifest is fetched twice.
// Invariants: waiters get verified bytes only; answer_ is set from kStoring on; a fetch that is
// over is in no table. DESIGN.md has the states.

#ifndef LAYBY_CACHE_MANIFEST_FETCH_H_
#define LAYBY_CACHE_MANIFEST_FETCH_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cache/asker_list.h"
#include "cache/manifests.h"
#include "cache/waiters.h"

namespace layby::cache {

enum class ManifestFetchState {
  kNew,      // Upstream wasn't asked yet.
  kAsking,   // Upstream was asked, or is asked again after a failure. Askers wait.
  kStoring,  // The verified manifest was given to the askers. The store writes it.
  kOver,     // The manifest is stored, or the fetch failed. The table forgets the fetch.
};

class ManifestFetch : public std::enable_shared_from_this<ManifestFetch> {
 public:
  ManifestFetch(Manifests& owner, const Origin& origin, std::string repository,
                oci::Reference reference);
  // The request goes for `client` too. Called for each asker.
  void join(const IpAddress& client);
  // Asks upstream. Called once. Calls no waiter before it returns.
  void start();

  // Calls `done` with the verified manifest or the error. Calls `done` before wait() returns if
  // the manifest has come already.
  Handle wait(Manifests::Done done);

  // Calls `done` when the manifest is stored, or with the reason why the manifest isn't stored.
  Handle wait_stored(std::function<void(Status)> done) { return keepers_.add(std::move(done)); }

  // Adds a tag that is confirmed when the manifest is stored. `looked_at` is the time at which the
  // registry named this manifest for the tag; nullopt when the fetch itself asks for the tag.
  void add_tag(const TagKey& tag, std::optional<WallTime> looked_at) {
    tags_.emplace_back(tag, looked_at);
  }

 private:
  void enter(ManifestFetchState next);
  void on_body(Result<ManifestAnswer> answer);
  void on_stored(const Status& status);
  void finish();

  Manifests& owner_;
  const Origin& origin_;
  const std::string repository_;
  const oci::Reference reference_;
  AskerList askers_;
  ManifestFetchState state_ = ManifestFetchState::kNew;
  Handle request_;
  Waiters<Result<ManifestAnswer>> waiters_;
  Waiters<Status> keepers_;
  std::optional<ManifestAnswer> answer_;  // The verified manifest.
  WallTime came_at_{};                    // The time at which the verified manifest came.
  std::vector<std::pair<TagKey, std::optional<WallTime>>> tags_;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_MANIFEST_FETCH_H_
