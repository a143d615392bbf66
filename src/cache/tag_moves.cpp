// SPDX-License-Identifier: Apache-2.0
//
// A move is told once, at whatever look it was first seen.

#include "cache/tag_moves.h"

#include <algorithm>

#include "layby/base/log.h"

namespace layby::cache {
namespace {

constexpr std::size_t kMostMoves = 64;

}  // namespace

TagMove* TagMoves::last(const TagKey& tag) {
  const auto at = std::find_if(moves_.rbegin(), moves_.rend(),
                               [&](const TagMove& move) { return move.tag == tag; });
  return at == moves_.rend() ? nullptr : &*at;
}

// A tag that went back and forth has several: the last one counts.
TagMove* TagMoves::find(const TagKey& tag, const oci::Digest& to) {
  TagMove* move = last(tag);
  return move != nullptr && move->to == to ? move : nullptr;
}

const TagMove& TagMoves::note(const TagKey& tag, const oci::Digest& from, const oci::Digest& to) {
  if (const TagMove* known = find(tag, to)) return *known;
  count(counters_.tag_moves);
  log::info("{}:{} moved from {} to {}", tag.repository, tag.tag, from.str(), to.str());
  moves_.push_back({tag, from, to, clock_.wall_now(), std::nullopt});
  if (moves_.size() > kMostMoves) moves_.pop_front();
  return moves_.back();
}

bool TagMoves::hold(const TagKey& tag, const oci::Digest& from, const oci::Digest& to) {
  const TagMove move = note(tag, from, to);
  if (!holder_ || !holder_(move)) return false;
  held_[tag] = clock_.wall_now();
  return true;
}

void TagMoves::release(const TagKey& tag, const oci::Digest& now) {
  held_.erase(tag);
  // It may be back where it was before this cache had what it moved to.
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
