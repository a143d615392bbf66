// SPDX-License-Identifier: Apache-2.0
//
// There are few entries, so each call looks at all of them.

#include "upstream/token_renewals.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "layby/base/random.h"

namespace layby::upstream {
namespace {

// A token is renewed after a random part of the life that is left to it, between kEarliest and
// kLatest. A token lives for 50 seconds at least, so a token server has five seconds to answer.
constexpr double kEarliest = 0.7;
constexpr double kLatest = 0.9;

}  // namespace

TokenRenewals::TokenRenewals(Timers& timers, const Clock& clock,
                             std::function<void(const std::string&)> renew)
    : timers_(timers), clock_(clock), renew_(std::move(renew)) {
  assert(renew_);
}

TokenRenewals::Entry* TokenRenewals::find(const std::string& repository) {
  const auto at = std::find_if(entries_.begin(), entries_.end(),
                               [&](const Entry& entry) { return entry.repository == repository; });
  return at == entries_.end() ? nullptr : &*at;
}

void TokenRenewals::on_used(const std::string& repository, SteadyTime expires_at) {
  const SteadyTime now = clock_.steady_now();
  if (Entry* entry = find(repository)) {
    entry->used_at = now;
    return;
  }
  make_room();
  entries_.push_back({repository, now, next_due(expires_at), expires_at});
  arm();
}

void TokenRenewals::on_renewed(const std::string& repository, SteadyTime expires_at) {
  Entry* entry = find(repository);
  if (entry == nullptr) return;
  entry->due = next_due(expires_at);
  entry->expires_at = expires_at;
  arm();
}

void TokenRenewals::forget(const std::string& repository) {
  std::erase_if(entries_, [&](const Entry& entry) { return entry.repository == repository; });
  arm();
}

void TokenRenewals::pause() {
  not_before_ = clock_.steady_now() + kPause;
  arm();
}

// The repository whose last use is longest ago makes room.
void TokenRenewals::make_room() {
  if (entries_.size() < kMost) return;
  entries_.erase(
      std::min_element(entries_.begin(), entries_.end(),
                       [](const Entry& a, const Entry& b) { return a.used_at < b.used_at; }));
}

SteadyTime TokenRenewals::next_due(SteadyTime expires_at) const {
  const SteadyTime now = clock_.steady_now();
  const std::chrono::duration<double> left = expires_at - now;
  const double part = kEarliest + (kLatest - kEarliest) * random_share();
  return now + std::chrono::duration_cast<SteadyTime::duration>(left * part);
}

void TokenRenewals::arm() {
  timer_.reset();
  if (entries_.empty()) return;
  const auto first = std::min_element(entries_.begin(), entries_.end(),
                                      [](const Entry& a, const Entry& b) { return a.due < b.due; });
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(std::max(first->due, not_before_) -
                                                                 clock_.steady_now());
  timer_ = timers_.after(std::max(wait, std::chrono::milliseconds(0)), [this] { on_due(); });
}

// Begins at most one renewal. An entry whose renewal is under way isn't due before the token's end.
void TokenRenewals::on_due() {
  const Handle over = std::move(timer_);
  const SteadyTime now = clock_.steady_now();
  std::erase_if(entries_, [now](const Entry& entry) {
    return entry.expires_at <= now || (entry.due <= now && now - entry.used_at > kInUse);
  });
  const auto next = std::find_if(entries_.begin(), entries_.end(),
                                 [now](const Entry& entry) { return entry.due <= now; });
  if (next == entries_.end() || not_before_ > now) return arm();
  next->due = next->expires_at;
  not_before_ = now + kGap;
  arm();
  renew_(std::string(next->repository));  // May change entries_.
}

}  // namespace layby::upstream
