// SPDX-License-Identifier: Apache-2.0
//
// A move is told and counted once, when it is first noted.

#include "cache/tag_moves.h"

#include <algorithm>
#include <cassert>

#include "cache/subject.h"

namespace layby::cache {
namespace {

constexpr std::size_t kMostMoves = 64;

}  // namespace

TagMove* TagMoves::last(const TagKey& tag) {
  const auto at = std::find_if(moves_.rbegin(), moves_.rend(),
                               [&](const TagMove& move) { return move.tag == tag; });
  return at == moves_.rend() ? nullptr : &*at;
}

// A tag that moved several times has several moves; only the last move counts.
TagMove* TagMoves::find(const TagKey& tag, const oci::Digest& to) {
  TagMove* move = last(tag);
  return move != nullptr && move->to == to ? move : nullptr;
}

const TagMove& TagMoves::note(const TagKey& tag, const oci::Digest& from, const oci::Digest& to) {
  assert(from != to);
  if (const TagMove* known = find(tag, to)) return *known;
  count(counters_.tag_moves);
  events_.tell(events::TagMoved{subject_of(tag), from, to});
  moves_.push_back({tag, from, to, clock_.wall_now(), std::nullopt});
  if (moves_.size() > kMostMoves) moves_.pop_front();
  assert(moves_.size() <= kMostMoves);
  return moves_.back();
}

Handle TagMoves::ask_hold(const TagKey& tag, const oci::Digest& from, const oci::Digest& to,
                          std::function<void(bool)> done) {
  const TagMove move = note(tag, from, to);
  return holder_ ? holder_(move, std::move(done)) : nullptr;
}

void TagMoves::hold(const TagKey& tag) { held_[tag] = clock_.wall_now(); }

void TagMoves::release(const TagKey& tag, const oci::Digest& now) {
  held_.erase(tag);
  // When the tag moved back before the new image was cached here, the move back is noted too.
  const TagMove* move = last(tag);
  if (move != nullptr && move->to != now) note(tag, oci::Digest(move->to), now);
}

std::optional<WallTime> TagMoves::held_since_look(const TagKey& tag) const {
  const auto at = held_.find(tag);
  return at == held_.end() ? std::nullopt : std::optional(at->second);
}

void TagMoves::set_fetch_bytes(const TagKey& tag, const oci::Digest& to, std::uint64_t bytes) {
  if (TagMove* move = find(tag, to)) move->fetch_bytes = bytes;
}

}  // namespace layby::cache
