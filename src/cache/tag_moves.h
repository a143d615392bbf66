// SPDX-License-Identifier: Apache-2.0
//
// Tags that upstream says stand for another image than here: the last moves, for those
// who look, and those that are held back until the new image is whole. Lives on the loop
// thread.

#ifndef LAYBY_CACHE_TAG_MOVES_H_
#define LAYBY_CACHE_TAG_MOVES_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "layby/base/clock.h"
#include "layby/base/counters.h"
#include "layby/cache/cache.h"
#include "layby/cache/store.h"

namespace layby::cache {

class TagMoves {
 public:
  // Whether a tag should keep its old image for now.
  using Holder = std::function<bool(const TagMove&)>;

  TagMoves(const Clock& clock, Counters& counters) : clock_(clock), counters_(counters) {}

  void set_holder(Holder holder) { holder_ = std::move(holder); }

  // Upstream says so; it may have said the same before.
  const TagMove& note(const TagKey& tag, const oci::Digest& from, const oci::Digest& to);
  // The same, and whether the tag keeps its old image.
  bool hold(const TagKey& tag, const oci::Digest& from, const oci::Digest& to);
  // The tag stands for what upstream says: `now`.
  void release(const TagKey& tag, const oci::Digest& now);
  // When a tag that is held was last looked at upstream.
  std::optional<WallTime> held_since_look(const TagKey& tag) const;

  void set_fetch_bytes(const TagKey& tag, const oci::Digest& to, std::uint64_t bytes);
  std::vector<TagMove> list() const { return {moves_.begin(), moves_.end()}; }

 private:
  TagMove* last(const TagKey& tag);
  TagMove* find(const TagKey& tag, const oci::Digest& to);

  const Clock& clock_;
  Counters& counters_;
  Holder holder_;
  std::deque<TagMove> moves_;
  std::map<TagKey, WallTime> held_;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_TAG_MOVES_H_
