// SPDX-License-Identifier: Apache-2.0
//
// Asks upstream once, for all waiters, which digest a tag has. Sends a HEAD, and a GET only if the
// manifest isn't stored yet. The check of a cached tag has a shorter deadline than the check of an
// unknown tag. When upstream fails without a refusal, the check of a cached tag answers with the
// cached manifest. Invariants: a check is settled once, and leaves its table before its waiters get
// the answer; hold_ is set exactly in kMoved; fetch_ is not set before kFetching; HEAD requests are
// answered early only when nothing is cached. DESIGN.md has the states.

#ifndef LAYBY_CACHE_TAG_CHECK_H_
#define LAYBY_CACHE_TAG_CHECK_H_

#include <chrono>
#include <memory>
#include <optional>

#include "cache/asker_list.h"
#include "cache/manifests.h"
#include "cache/waiters.h"

namespace layby::cache {

enum class TagCheckState {
  kNew,       // Upstream wasn't asked yet.
  kAsking,    // A HEAD is under way, or is tried again after a failure. Askers wait.
  kMoved,     // The tag moved. It isn't known yet whether the tag is held. Askers wait.
  kFetching,  // The manifest is being fetched. HEAD requests may have been answered.
  kOver,      // The check is settled. The table forgets the check.
};

class TagCheck {
 public:
  TagCheck(Manifests& owner, const Origin& origin, TagKey tag);
  // The request to upstream is made for `client` too. Called for each asker.
  void join(const IpAddress& client);
  // Asks upstream. Called once. Calls no waiter before it returns.
  void start();

  // Asks for the new manifest if the tag moved. Without this call a move is only noted, and
  // costs no pull.
  void want_moved() { moved_wanted_ = true; }

  // If `head` is set, the waiter may get upstream's answer to HEAD before the manifest is fetched.
  Handle wait(bool head, Manifests::Done done);

 private:
  void enter(TagCheckState next);
  void on_head(const Result<ManifestHead>& head);
  void on_digest(const ManifestHead& head);
  // `holds`: the tag keeps its old image until the new image is whole.
  void on_hold_known(const ManifestHead& head, bool holds);
  // The tag isn't held.
  void on_moved(const ManifestHead& head);
  // Settles the check with the manifest that upstream named, from the store or after a fetch.
  void follow(const ManifestHead& head);
  // Settles the check with the cached manifest as the answer, marked with `source`.
  void settle_cached(ManifestSource source);
  void fetch(const oci::Reference& reference);
  void on_fetched(const Result<ManifestAnswer>& answer);
  // Settles the check with the cached manifest as the answer, or with `error` when nothing is
  // cached or upstream refused the tag.
  void fall_back(const Error& error);
  void settle(const Result<ManifestAnswer>& answer);
  // The time since the registry answered the HEAD.
  std::chrono::seconds age() const;

  Manifests& owner_;
  const Origin& origin_;
  const TagKey tag_;
  AskerList askers_;
  const std::optional<ManifestAnswer> cached_;
  policy::RetryRules retry_;
  TagCheckState state_ = TagCheckState::kNew;
  bool moved_wanted_ = false;
  WallTime looked_at_{};  // The time of the registry's answer to the HEAD.
  // Set when a parent answered that the tag is stale, and the registry didn't answer.
  bool is_stale_ = false;
  Handle request_;
  Handle hold_;           // The question whether the tag is held.
  Handle hold_patience_;  // The timer that ends the wait for the answer.
  Handle fetch_;
  std::weak_ptr<ManifestFetch> fetched_;  // The fetch that the check waits for.
  // Upstream's answer to HEAD, while the manifest is being fetched.
  std::optional<ManifestAnswer> head_answer_;
  Waiters<Result<ManifestAnswer>> head_waiters_;
  Waiters<Result<ManifestAnswer>> waiters_;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_TAG_CHECK_H_
