// SPDX-License-Identifier: Apache-2.0
//
// The only timer is set for the tag that is due first. The interval of each check is random, so
// that tags which were pulled together don't stay due together.

#include "cache/refresher.h"

#include <algorithm>
#include <cassert>

namespace layby::cache {
namespace {

// Tag names come from clients, so the number of remembered tags is bounded. A tag above this number
// is checked only when it is pulled.
constexpr std::size_t kMostTags = 4096;

// Background checks treat a fresh_for below kShortest as kShortest, to spare upstream.
constexpr std::chrono::milliseconds kShortest{10'000};

// A tag is checked again after a random part of its fresh_for, between kEarliest and kLatest.
constexpr double kEarliest = 0.75;
constexpr double kLatest = 0.95;

}  // namespace

void Refresher::on_used(const Origin& origin, const TagKey& tag,
                        std::chrono::milliseconds fresh_for) {
  if (keep_fresh_.count() == 0 || fresh_for > keep_fresh_) return;
  const SteadyTime now = clock_.steady_now();
  if (const auto at = entries_.find(tag); at != entries_.end()) {
    at->second.used_at = now;
    return;
  }
  if (entries_.size() >= kMostTags || !is_pulled_again(tag, fresh_for)) return;
  due_.emplace(next_due(fresh_for), tag);
  entries_.emplace(tag, Entry{&origin, fresh_for, now});
  arm();
}

bool Refresher::is_pulled_again(const TagKey& tag, std::chrono::milliseconds fresh_for) {
  const SteadyTime now = clock_.steady_now();
  const auto fresh = std::max(fresh_for, kShortest);
  const auto first = once_.find(tag);
  if (first == once_.end() || now - first->second > fresh + keep_fresh_) {
    // A tag that is forgotten here needs two more pulls.
    if (once_.size() >= kMostTags) once_.clear();
    once_.insert_or_assign(tag, now);
    return false;
  }
  if (now - first->second < fresh) return false;
  once_.erase(first);
  return true;
}

SteadyTime Refresher::next_due(std::chrono::milliseconds fresh_for) {
  const double part = std::uniform_real_distribution<double>(kEarliest, kLatest)(random_);
  const auto whole = static_cast<double>(std::max(fresh_for, kShortest).count());
  return clock_.steady_now() + std::chrono::milliseconds(static_cast<std::int64_t>(whole * part));
}

void Refresher::arm() {
  assert(due_.size() == entries_.size());
  if (due_.empty()) return timer_.reset();
  const SteadyTime first = due_.begin()->first;
  if (timer_ && armed_for_ == first) return;
  armed_for_ = first;
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(first - clock_.steady_now());
  timer_ = timers_.after(std::max(wait, std::chrono::milliseconds(0)), [this] { on_due(); });
}

void Refresher::on_due() {
  const Handle over = std::move(timer_);
  const SteadyTime now = clock_.steady_now();
  while (!due_.empty() && due_.begin()->first <= now) {
    const TagKey tag = due_.begin()->second;
    due_.erase(due_.begin());
    const auto at = entries_.find(tag);
    assert(at != entries_.end());
    if (now - at->second.used_at > keep_fresh_) {
      entries_.erase(at);
      continue;
    }
    due_.emplace(next_due(at->second.fresh_for), tag);
    check_(*at->second.origin, tag);
  }
  arm();
}

}  // namespace layby::cache
