// SPDX-License-Identifier: Apache-2.0
//
// One question to upstream, "what is this tag now?", shared by all who ask: HEAD, and
// the manifest only if it isn't stored yet. A cached tag limits the patience and is
// the answer when upstream has none. States in DESIGN.md.

#ifndef LAYBY_CACHE_TAG_CHECK_H_
#define LAYBY_CACHE_TAG_CHECK_H_

#include <optional>

#include "cache/manifests.h"
#include "cache/waiters.h"

namespace layby::cache {

class TagCheck {
 public:
  TagCheck(Manifests& owner, const Origin& origin, TagKey tag);
  void start();

  // Somebody wants the manifest that the tag stands for now; without, a move is noted
  // and costs no pull.
  void want_moved() { moved_wanted_ = true; }

  // `head`: upstream's own HEAD is answer enough while the manifest is being fetched.
  Handle wait(bool head, Manifests::Done done);

 private:
  void on_head(const Result<ManifestHead>& head);
  void on_digest(const ManifestHead& head);
  // The cached one with another source.
  void settle_cached(ManifestSource source);
  void fetch(const oci::Reference& reference);
  void on_fetched(const Result<ManifestAnswer>& answer);
  // The cached manifest where there is one and `error` does not say that the tag is
  // gone, else the error.
  void fall_back(const Error& error);
  void settle(const Result<ManifestAnswer>& answer);

  Manifests& owner_;
  const Origin& origin_;
  const TagKey tag_;
  const std::optional<ManifestAnswer> cached_;
  policy::RetryRules retry_;
  bool moved_wanted_ = false;
  Handle request_;
  Handle fetch_;
  std::optional<ManifestAnswer> head_answer_;  // From HEAD, while the body is fetched.
  Waiters<Result<ManifestAnswer>> head_waiters_;
  Waiters<Result<ManifestAnswer>> waiters_;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_TAG_CHECK_H_
