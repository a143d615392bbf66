// SPDX-License-Identifier: Apache-2.0
//
// A cached tag is checked with one quick request. A tag that isn't cached is checked with
// retries.

#include "cache/tag_check.h"

#include <cassert>
#include <utility>

#include "cache/manifest_fetch.h"
#include "cache/subject.h"
#include "cache/with_retries.h"

namespace layby::cache {
namespace {

[[maybe_unused]] bool may_follow(TagCheckState state, TagCheckState next) {
  using State = TagCheckState;
  switch (state) {
    case State::kNew:
      return next == State::kAsking;
    case State::kAsking:
      return next != State::kNew && next != State::kAsking;
    case State::kMoved:
      return next == State::kFetching || next == State::kOver;
    case State::kFetching:
      return next == State::kOver;
    case State::kOver:
      return false;
  }
  return false;
}

}  // namespace

TagCheck::TagCheck(Manifests& owner, const Origin& origin, TagKey tag)
    : owner_(owner),
      origin_(origin),
      tag_(std::move(tag)),
      cached_(owner.cached(tag_)),
      retry_(owner.context_.rules.retry) {
  if (cached_) retry_.max_attempts = 1;
}

void TagCheck::enter(TagCheckState next) {
  assert(may_follow(state_, next));
  assert(!head_answer_ || !cached_);
  assert((hold_ != nullptr) == (next == TagCheckState::kMoved));
  state_ = next;
}

void TagCheck::join(const IpAddress& client) {
  if (!askers_.join(client)) return;
  if (state_ == TagCheckState::kAsking) origin_.upstream->on_more_askers();
  if (const auto fetch = fetched_.lock()) fetch->join(client);
}

void TagCheck::start() {
  enter(TagCheckState::kAsking);
  const auto& context = owner_.context_;
  count(context.counters.tag_revalidations);
  const auto deadline = cached_ ? context.rules.revalidate_timeout : context.rules.request_timeout;
  request_ = with_retries<ManifestHead>(
      retry_, context.timers, context.counters,
      [this, deadline](auto done) {
        return origin_.upstream->on_behalf_of(askers_.shared())
            .head_manifest(tag_.repository, tag_.tag, deadline, std::move(done));
      },
      [this](const Result<ManifestHead>& head) { on_head(head); });
}

Handle TagCheck::wait(bool head, Manifests::Done done) {
  assert(state_ != TagCheckState::kNew && state_ != TagCheckState::kOver);
  if (!head) return waiters_.add(std::move(done));
  if (!head_answer_) return head_waiters_.add(std::move(done));
  done(*head_answer_);
  return nullptr;
}

void TagCheck::on_head(const Result<ManifestHead>& head) {
  assert(state_ == TagCheckState::kAsking);
  if (!head.ok()) return fall_back(head.error());
  looked_at_ = owner_.context_.clock.wall_now() - head->age.age;
  is_stale_ = head->age.stale;
  if (cached_ && !owner_.is_news(tag_, looked_at_)) {
    return settle_cached(is_stale_ ? ManifestSource::kStale : ManifestSource::kHit);
  }
  if (head->digest) return on_digest(*head);
  if (cached_ && !moved_wanted_) return settle_cached(ManifestSource::kHit);
  fetch(tag_.tag);
}

void TagCheck::on_digest(const ManifestHead& head) {
  if (!cached_ || *head.digest == cached_->digest) return follow(head);
  const auto& context = owner_.context_;
  hold_ = owner_.tag_moves_.ask_hold(tag_, cached_->digest, *head.digest,
                                     [this, head](bool holds) { on_hold_known(head, holds); });
  if (!hold_) return on_moved(head);
  enter(TagCheckState::kMoved);
  // The old image is served while the disk is too busy to answer.
  hold_patience_ = context.timers.after(context.rules.revalidate_timeout,
                                        [this, head] { on_hold_known(head, true); });
}

void TagCheck::on_hold_known(const ManifestHead& head, bool holds) {
  assert(state_ == TagCheckState::kMoved);
  hold_.reset();
  hold_patience_.reset();
  // A run may have moved the tag in the meantime.
  const auto known = owner_.known(tag_);
  if (!holds || !known || known->digest != cached_->digest) return on_moved(head);
  owner_.tag_moves_.hold(tag_);
  settle_cached(ManifestSource::kHeld);
}

void TagCheck::on_moved(const ManifestHead& head) {
  if (!moved_wanted_) return settle_cached(ManifestSource::kHit);
  follow(head);
}

void TagCheck::follow(const ManifestHead& head) {
  const auto source = is_stale_ ? ManifestSource::kStale : ManifestSource::kChecked;
  if (auto answer = owner_.stored(*head.digest, source)) {
    answer->age = age();
    owner_.context_.grant_checks.note_granted(origin_, tag_.repository, *head.digest);
    owner_.confirm(tag_, *head.digest, looked_at_);
    return settle(std::move(*answer));
  }
  // A client's HEAD must not name a manifest that then can't be fetched. When another image is
  // cached, HEAD requests wait for the fetch, and get the cached image if the fetch fails.
  const bool may_be_had = !owner_.why_not_fetch(origin_, tag_.repository, *head.digest);
  if (may_be_had && !cached_ && head.size_bytes && !head.media_type.empty()) {
    assert(!head_answer_);
    const auto fetched = is_stale_ ? ManifestSource::kStale : ManifestSource::kFetched;
    head_answer_ =
        ManifestAnswer{*head.digest, head.media_type, *head.size_bytes, nullptr, fetched, age()};
    head_waiters_.settle(*head_answer_);
  }
  fetch(*head.digest);
}

void TagCheck::settle_cached(ManifestSource source) {
  assert(cached_);
  ManifestAnswer answer = *cached_;
  answer.source = source;
  settle(std::move(answer));
}

void TagCheck::fetch(const oci::Reference& reference) {
  const auto refused = owner_.why_not_fetch(origin_, tag_.repository, reference);
  if (refused) return fall_back(*refused);
  enter(TagCheckState::kFetching);
  const auto fetch = owner_.fetch(origin_, tag_.repository, reference, askers_.clients());
  fetched_ = fetch;
  const bool by_digest = std::holds_alternative<oci::Digest>(reference);
  fetch->add_tag(tag_, by_digest ? std::optional(looked_at_) : std::nullopt);
  fetch_ = fetch->wait([this](const Result<ManifestAnswer>& answer) { on_fetched(answer); });
}

void TagCheck::on_fetched(const Result<ManifestAnswer>& answer) {
  assert(state_ == TagCheckState::kFetching);
  if (!answer.ok()) return fall_back(answer.error());
  ManifestAnswer fresh = *answer;
  if (!fresh.age) fresh.age = age();
  if (is_stale_) fresh.source = ManifestSource::kStale;
  settle(std::move(fresh));
}

std::chrono::seconds TagCheck::age() const {
  return std::chrono::floor<std::chrono::seconds>(owner_.context_.clock.wall_now() - looked_at_);
}

void TagCheck::fall_back(const Error& error) {
  if (is_refusal(error)) {
    owner_.unknowns_.note(Manifests::key_of(origin_, tag_.repository, tag_.tag), error);
  }
  if (!cached_ || is_refusal(error)) return settle(error);
  if (waiters_.any() || head_waiters_.any()) {
    owner_.context_.events.tell(events::ServedStale{subject_of(tag_), error});
  }
  settle_cached(ManifestSource::kStale);
}

void TagCheck::settle(const Result<ManifestAnswer>& answer) {
  // The check leaves the table before it answers, because a waiter may ask again at once.
  enter(TagCheckState::kOver);
  owner_.forget(Manifests::key_of(origin_, tag_.repository, tag_.tag), *this);
  head_waiters_.settle(answer);
  waiters_.settle(answer);
}

}  // namespace layby::cache
