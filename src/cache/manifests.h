// SPDX-License-Identifier: Apache-2.0
//
// Gives manifests by digest and by tag. A manifest by digest comes from the store, or from one
// verified GET that all askers share. A tag that was confirmed within fresh_for is served as
// cached. An older tag is confirmed by HEAD, which costs no pull of Docker Hub. When the HEAD
// fails without a refusal, or can't be sent now, the cached manifest is served with its age. Tags
// in use are checked in the background. Lives on the loop thread.
//
// Invariants: each key has at most one fetch and one check in flight; work that is over is
// in no table; a tag in the index names a manifest that was stored before the tag.

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

#include "cache/grant_checks.h"
#include "cache/recent_indexes.h"
#include "cache/refresher.h"
#include "cache/tag_moves.h"
#include "cache/unknowns.h"
#include "layby/base/lifetime.h"
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
    GrantChecks& grant_checks;
    events::Events& events;
  };
  using Done = Cache::Done<ManifestAnswer>;

  explicit Manifests(const Context& context);
  ~Manifests();

  Handle get(const Origin& origin, const std::string& repository, const oci::Reference& reference,
             bool head, Done done, const IpAddress& client);

  // The calls below are for a prefetch. A prefetch fetches manifests without moving the tag, and
  // moves the tag when the whole image is stored.

  // The fetch of `reference` in flight, for `clients` too. Begins a fetch if none is in flight.
  std::shared_ptr<ManifestFetch> fetch(const Origin& origin, const std::string& repository,
                                       const oci::Reference& reference,
                                       const std::vector<IpAddress>& clients = {IpAddress()});
  // Why a fetch of `reference` should not begin now; nullopt when the fetch may begin or is in
  // flight.
  std::optional<Error> why_not_fetch(const Origin& origin, const std::string& repository,
                                     const oci::Reference& reference) const;
  // The last confirmed digest of a tag.
  std::optional<StoredTag> known(const TagKey& tag) const;
  // Whether an answer from the time `looked_at` is as new as the last confirmation of the tag, or
  // newer. A parent's answer may be older than the registry's last answer to this box.
  bool is_news(const TagKey& tag, WallTime looked_at) const;
  // Records that the tag pointed to `digest` when the registry was asked, at the time `looked_at`.
  // Does nothing if is_news() is false. The manifest of `digest` is stored already.
  void confirm(const TagKey& tag, const oci::Digest& digest, WallTime looked_at);

  // Calls `fetched` for each manifest that was fetched for a client, when the client gets it.
  using Fetched = std::function<void(const events::Subject& image, const ManifestAnswer& answer)>;
  void on_fetched(Fetched fetched) { fetched_ = std::move(fetched); }

  void set_holder(TagMoves::Holder holder) { tag_moves_.set_holder(std::move(holder)); }
  void note_move(const TagKey& tag, const oci::Digest& from, const oci::Digest& to,
                 std::uint64_t fetch_bytes);
  std::vector<TagMove> moves() const { return tag_moves_.list(); }

 private:
  friend class ManifestFetch;
  friend class TagCheck;

  // The origin and "repository@reference" of a fetch or check.
  using Key = std::pair<const Origin*, std::string>;
  static Key key_of(const Origin& origin, const std::string& repository,
                    const oci::Reference& reference);

  Handle by_digest(const Origin& origin, const std::string& repository, const oci::Digest& digest,
                   Done done, const IpAddress& client);
  Handle granted(const Origin& origin, const std::string& repository, const oci::Digest& digest,
                 Done done, const IpAddress& client);
  Handle by_tag(const Origin& origin, const TagKey& tag, bool head, Done done,
                const IpAddress& client);
  // Answers after a check of the tag. `is_cached`: a manifest is cached under the tag.
  Handle checked(const Origin& origin, const TagKey& tag, bool head, bool is_cached, Done done,
                 const IpAddress& client);

  // The check of `tag` in flight. Begins a check if none is in flight. `fetch_moved` is set when
  // somebody wants the new manifest of a tag that moved.
  std::shared_ptr<TagCheck> check(const Origin& origin, const TagKey& tag, bool fetch_moved,
                                  const IpAddress& client);
  // Begins a check that nobody waits for, if upstream may be asked now.
  void check_in_background(const Origin& origin, const TagKey& tag);
  std::chrono::milliseconds fresh_for(const TagKey& tag) const;
  // How a cached tag is served. The caller sets the times in `look`. serving() sets may_ask and
  // refused, and only if the tag isn't fresh.
  policy::TagServing serving(const Origin& origin, const TagKey& tag, policy::TagLook look,
                             WallTime now);
  // The refusal that upstream gave for `key` a moment ago. Counts the refusal as served.
  std::optional<Error> unknown(const Key& key);

  // Takes finished work out of its table. The work is destroyed in the next turn, because work
  // ends inside its own callback.
  void forget(const Key& key, const ManifestFetch& fetch);
  void forget(const Key& key, const TagCheck& check);
  template <typename Work>
  void bury(std::map<Key, std::shared_ptr<Work>>& table, const Key& key, const Work& over);

  // The stored manifest, verified; nullopt when the manifest is missing or damaged.
  std::optional<ManifestAnswer> stored(const oci::Digest& digest, ManifestSource source);
  bool is_sound(const oci::Digest& digest, const std::string& bytes);
  // The manifest cached under a tag, with the tag's age. The answer's source is kHit.
  std::optional<ManifestAnswer> cached(const TagKey& tag);
  std::optional<ManifestAnswer> cached(const StoredTag& tagged, WallTime now);
  // Counts an answered request. `first` is set for the request that started the work.
  void note_answer(const events::Subject& image, const Result<ManifestAnswer>& answer,
                   bool first) const;
  // Adds to the error of a manifest which platform it is for, if a client got its index lately.
  Error with_platform(Error error, const Origin& origin, const std::string& repository,
                      const oci::Digest& digest) const;
  // Answers a request at once, without upstream.
  Handle give(const events::Subject& image, Result<ManifestAnswer> answer, const Done& done) const;

  const Context context_;
  Fetched fetched_;
  std::map<Key, std::shared_ptr<ManifestFetch>> fetches_;
  std::map<Key, std::shared_ptr<TagCheck>> checks_;
  Graveyard graveyard_;
  TagMoves tag_moves_;
  Unknowns<Key> unknowns_;
  mutable RecentIndexes recent_indexes_;  // Doesn't change what is served.
  Refresher refresher_;
  // The tags confirmed since the daemon's start. An unchanged tag is written to the index again
  // only when the tag's entry in the index is old, to spare the disk.
  std::map<TagKey, StoredTag> confirmed_;
  std::unordered_set<oci::Digest> sound_;  // Manifests verified since sound_since_.
  SteadyTime sound_since_{};
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_MANIFESTS_H_
