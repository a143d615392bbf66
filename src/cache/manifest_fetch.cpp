// SPDX-License-Identifier: Apache-2.0
//
// Each attempt includes the verification, so a damaged manifest is fetched again like a manifest
// that didn't arrive.

#include "cache/manifest_fetch.h"

#include <cassert>
#include <utility>

#include "cache/subject.h"
#include "cache/with_retries.h"
#include "layby/oci/manifest.h"

namespace layby::cache {
namespace {

// A body requested by digest must have the requested digest. A body requested by tag must be a
// manifest; its digest is computed from its bytes.
Result<ManifestAnswer> verify(ManifestBody body, const oci::Reference& reference,
                              Counters& counters) {
  const auto* wanted = std::get_if<oci::Digest>(&reference);
  const auto digest =
      oci::Digest::of(body.bytes, wanted != nullptr ? wanted->kind() : ShaKind::kSha256);
  if (wanted != nullptr && digest != *wanted) {
    count(counters.digest_mismatches);
    return Error{ErrorCode::kCorrupt, "manifest " + wanted->str() +
                                          ": upstream sent bytes whose digest is " + digest.str() +
                                          "; they are not kept"};
  }
  const auto manifest = oci::parse_manifest(body.bytes, body.media_type);
  if (!manifest.ok() && wanted == nullptr) return manifest.error();
  const std::uint64_t size = body.bytes.size();
  return ManifestAnswer{digest,
                        manifest.ok() ? manifest->media_type : body.media_type,
                        size,
                        std::make_shared<const std::string>(std::move(body.bytes)),
                        ManifestSource::kFetched,
                        wanted == nullptr ? std::optional(body.age.age) : std::nullopt};
}

[[maybe_unused]] bool may_follow(ManifestFetchState state, ManifestFetchState next) {
  using State = ManifestFetchState;
  switch (state) {
    case State::kNew:
      return next == State::kAsking;
    case State::kAsking:
      return next == State::kStoring || next == State::kOver;
    case State::kStoring:
      return next == State::kOver;
    case State::kOver:
      return false;
  }
  return false;
}

}  // namespace

ManifestFetch::ManifestFetch(Manifests& owner, const Origin& origin, std::string repository,
                             oci::Reference reference)
    : owner_(owner),
      origin_(origin),
      repository_(std::move(repository)),
      reference_(std::move(reference)) {}

void ManifestFetch::enter(ManifestFetchState next) {
  assert(may_follow(state_, next));
  assert(answer_.has_value() ==
         (next == ManifestFetchState::kStoring || state_ == ManifestFetchState::kStoring));
  state_ = next;
}

void ManifestFetch::join(const IpAddress& client) {
  if (askers_.join(client) && state_ == ManifestFetchState::kAsking) {
    origin_.upstream->on_more_askers();
  }
}

void ManifestFetch::start() {
  enter(ManifestFetchState::kAsking);
  const auto& context = owner_.context_;
  request_ = with_retries<ManifestAnswer>(
      context.rules.retry, context.timers, context.counters,
      [this](Manifests::Done done) {
        return origin_.upstream->on_behalf_of(askers_.shared())
            .get_manifest(
                repository_, reference_, [this, done = std::move(done)](Result<ManifestBody> body) {
                  done(body.ok() ? verify(std::move(*body), reference_, owner_.context_.counters)
                                 : Result<ManifestAnswer>(body.error()));
                });
      },
      [this](Result<ManifestAnswer> answer) { on_body(std::move(answer)); });
}

Handle ManifestFetch::wait(Manifests::Done done) {
  assert(state_ == ManifestFetchState::kAsking || state_ == ManifestFetchState::kStoring);
  if (!answer_) return waiters_.add(std::move(done));
  done(*answer_);
  return nullptr;
}

void ManifestFetch::on_body(Result<ManifestAnswer> answer) {
  assert(state_ == ManifestFetchState::kAsking);
  if (!answer.ok()) {
    const std::string reference = oci::to_string(reference_);
    owner_.context_.events.tell(
        events::ManifestFailed{{origin_.name, repository_, reference}, answer.error()});
    if (is_refusal(answer.error())) {
      owner_.unknowns_.note(Manifests::key_of(origin_, repository_, reference_), answer.error());
    }
    finish();
    waiters_.settle(answer);
    keepers_.settle(answer.error());
    return;
  }
  assert(answer->bytes);
  answer_ = *answer;
  came_at_ = owner_.context_.clock.wall_now();
  enter(ManifestFetchState::kStoring);
  owner_.context_.grant_checks.note_granted(origin_, repository_, answer_->digest);
  // The pointer is weak, because the store may answer after this fetch is destroyed.
  StoredManifest manifest{answer_->bytes, answer_->media_type,
                          RepositoryKey{origin_.name, repository_}};
  owner_.context_.store.put_manifest(answer_->digest, std::move(manifest),
                                     [weak = weak_from_this()](const Status& status) {
                                       if (const auto self = weak.lock()) self->on_stored(status);
                                     });
  waiters_.settle(answer);
}

void ManifestFetch::on_stored(const Status& status) {
  assert(state_ == ManifestFetchState::kStoring);
  if (status.ok()) {
    const WallTime looked_at = came_at_ - answer_->age.value_or(std::chrono::seconds(0));
    for (const auto& [tag, at] : tags_) {
      owner_.confirm(tag, answer_->digest, at.value_or(looked_at));
    }
  } else {
    owner_.context_.events.tell(
        events::NotStored{subject_of(origin_, repository_, answer_->digest), status.error()});
  }
  finish();
  keepers_.settle(status);
}

void ManifestFetch::finish() {
  enter(ManifestFetchState::kOver);
  owner_.forget(Manifests::key_of(origin_, repository_, reference_), *this);
}

}  // namespace layby::cache
