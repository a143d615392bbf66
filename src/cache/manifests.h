// SPDX-License-Identifier: Apache-2.0
//
// Manifests by digest and by tag. By digest they never change: from the store, or one
// verified GET shared by all who ask. By tag, a digest that was confirmed within
// fresh_for is taken as it is, an older one is confirmed by HEAD, which Docker Hub
// does not count as a pull; when that fails, or is known to fail, the cached one is
// served with its age. Tags in use are confirmed by themselves. Lives on the loop thread.

#ifndef LAYBY_CACHE_MANIFESTS_H_
#define LAYBY_CACHE_MANIFESTS_H_

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "cache/permits.h"
#include "cache/refresher.h"
#include "cache/tag_moves.h"
#include "cache/unknowns.h"
#include "layby/cache/cache.h"

namespace layby::cache {

class ManifestFetch;
class TagCheck;

class Manifests {
 public:
  struct Context {
    const Rules& rules;
    Store& store;
    Timers& timers;
    const Clock& clock;
    Counters& counters;
    Permits& permits;
  };
  using Done = Cache::Done<ManifestAnswer>;

  explicit Manifests(const Context& context);
  ~Manifests();

  Handle get(const Origin& origin, const std::string& repository, const oci::Reference& reference,
             bool head, Done done);

  // For a prefetch: manifests without a tag that moves to them, and tags that move when
  // all is there.

  // The fetch of `reference` in flight, begun if there is none.
  std::shared_ptr<ManifestFetch> fetch(const Origin& origin, const std::string& repository,
                                       const oci::Reference& reference);
  // Why that should not be begun now; nothing when it is in flight.
  std::optional<Error> fetch_refusal(const Origin& origin, const std::string& repository,
                                     const oci::Reference& reference) const;
  // What a tag was when it was last checked.
  std::optional<StoredTag> known(const TagKey& tag) const;
  // Upstream says that the tag is this digest, whose manifest is stored.
  void confirm(const TagKey& tag, const oci::Digest& digest);

  void set_holder(TagMoves::Holder holder) { tag_moves_.set_holder(std::move(holder)); }
  void note_move(const TagKey& tag, const oci::Digest& from, const oci::Digest& to,
                 std::uint64_t fetch_bytes);
  std::vector<TagMove> moves() const { return tag_moves_.list(); }

 private:
  friend class ManifestFetch;
  friend class TagCheck;

  // The origin and "repository@reference" that a fetch or check is about.
  using Key = std::pair<const Origin*, std::string>;
  static Key key_of(const Origin& origin, const std::string& repository,
                    const oci::Reference& reference);

  Handle by_digest(const Origin& origin, const std::string& repository, const oci::Digest& digest,
                   Done done);
  Handle permitted(const Origin& origin, const std::string& repository, const oci::Digest& digest,
                   Done done);
  Handle by_tag(const Origin& origin, const TagKey& tag, bool head, Done done);

  // The check in flight, begun if there is none. `fetch_moved` is set when somebody wants
  // the manifest that the tag has moved to.
  std::shared_ptr<TagCheck> check(const Origin& origin, const TagKey& tag, bool fetch_moved);
  // Nobody waits for it.
  void check_in_background(const Origin& origin, const TagKey& tag);
  std::chrono::milliseconds fresh_for(const TagKey& tag) const;
  // As what a cached tag may be given, by when it was last checked; kFetched when it may not.
  ManifestSource usable(const Origin& origin, const TagKey& tag, WallTime checked_at);
  // What upstream said a moment ago of what it does not have.
  std::optional<Error> unknown(const Key& key);

  // Takes finished work out of the tables; it is destroyed at the next turn.
  void forget(const Key& key, const ManifestFetch& fetch);
  void forget(const Key& key, const TagCheck& check);
  void destroy_later(std::shared_ptr<void> over);

  // Verified. Nothing when it isn't there, or not whole.
  std::optional<ManifestAnswer> stored(const oci::Digest& digest, ManifestSource source);
  bool is_sound(const oci::Digest& digest, const std::string& bytes);
  // What is cached under a tag, with its age; kHit as the source.
  std::optional<ManifestAnswer> cached(const TagKey& tag);
  std::optional<ManifestAnswer> cached(const StoredTag& tagged);
  // Counts an answered request; `first` is set for the one that started the work.
  void count_answer(const Result<ManifestAnswer>& answer, bool first) const;
  // Answers a request for which nothing has to be waited.
  Handle give(Result<ManifestAnswer> answer, const Done& done) const;

  const Context context_;
  std::map<Key, std::shared_ptr<ManifestFetch>> fetches_;
  std::map<Key, std::shared_ptr<TagCheck>> checks_;
  std::vector<std::shared_ptr<void>> over_;
  Handle sweep_;
  TagMoves tag_moves_;
  Unknowns<Key> unknowns_;
  Refresher refresher_;
  // What was confirmed since the start. The index gets an unchanged tag again only when
  // its entry is old, to spare the disk.
  std::map<TagKey, StoredTag> confirmed_;
  std::unordered_set<oci::Digest> sound_;  // Manifests verified since sound_since_.
  SteadyTime sound_since_{};
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_MANIFESTS_H_
