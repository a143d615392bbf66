// SPDX-License-Identifier: Apache-2.0
//
// Remembers tags that moved upstream: the last moves, for reports, and the held tags, which keep
// their old image until the new image is whole. Lives on the loop thread. Invariant: the two
// digests of a move differ.

#ifndef LAYBY_CACHE_TAG_MOVES_H_
#define LAYBY_CACHE_TAG_MOVES_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "layby/base/async.h"
#include "layby/base/clock.h"
#include "layby/base/counters.h"
#include "layby/cache/cache.h"
#include "layby/cache/store.h"

namespace layby::cache {

class TagMoves {
 public:
  // Asks whether a tag should keep its old image for now. Returns null and gives no answer if the
  // tag isn't held. Otherwise the answer comes later. A question may outlive the holder.
  using Holder = std::function<Handle(const TagMove&, std::function<void(bool)> done)>;

  TagMoves(const Clock& clock, Counters& counters, events::Events& events)
      : clock_(clock), counters_(counters), events_(events) {}

  void set_holder(Holder holder) { holder_ = std::move(holder); }

  // Notes that the tag moved upstream. If this is the tag's last noted move already, nothing
  // changes.
  const TagMove& note(const TagKey& tag, const oci::Digest& from, const oci::Digest& to);
  // Notes the move, and asks the holder. Returns null and gives no answer if the tag isn't held.
  Handle ask_hold(const TagKey& tag, const oci::Digest& from, const oci::Digest& to,
                  std::function<void(bool)> done);
  // The tag, which was just checked upstream, keeps its old image for now.
  void hold(const TagKey& tag);
  // Ends the hold of the tag. The tag points to the digest `now`, both here and upstream.
  void release(const TagKey& tag, const oci::Digest& now);
  // When a held tag was last checked upstream; nullopt when the tag isn't held.
  std::optional<WallTime> held_since_look(const TagKey& tag) const;

  void set_fetch_bytes(const TagKey& tag, const oci::Digest& to, std::uint64_t bytes);
  std::vector<TagMove> list() const { return {moves_.begin(), moves_.end()}; }

 private:
  TagMove* last(const TagKey& tag);
  TagMove* find(const TagKey& tag, const oci::Digest& to);

  const Clock& clock_;
  Counters& counters_;
  events::Events& events_;
  Holder holder_;
  std::deque<TagMove> moves_;
  std::map<TagKey, WallTime> held_;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_TAG_MOVES_H_
