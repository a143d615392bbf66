// SPDX-License-Identifier: Apache-2.0
//
// Answers requests for manifests. Requests share two kinds of work: ManifestFetch and TagCheck.

#include "cache/manifests.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "cache/manifest_fetch.h"
#include "cache/subject.h"
#include "cache/tag_check.h"
#include "layby/base/log.h"
#include "layby/oci/manifest.h"

namespace layby::cache {
namespace {

// An unchanged tag in use is written to the index again when the tag's entry in the index is this
// old.
constexpr std::chrono::hours kIndexedConfirmation{1};

// A verified manifest is trusted for at most this long before it is hashed again. Hashing takes as
// much time as all other work of a hit.
constexpr std::chrono::minutes kSoundFor{10};

// False for a time in the future, which means that the clock was set back.
bool is_recent(WallTime indexed_at, WallTime now) {
  return indexed_at <= now && now - indexed_at < kIndexedConfirmation;
}

events::Served served(ManifestSource source) {
  switch (source) {
    case ManifestSource::kHit:
      return events::Served::kCached;
    case ManifestSource::kChecked:
      return events::Served::kConfirmed;
    case ManifestSource::kFetched:
      return events::Served::kFetched;
    case ManifestSource::kStale:
      return events::Served::kStale;
    case ManifestSource::kHeld:
      return events::Served::kHeld;
  }
  return events::Served::kCached;
}

}  // namespace

Manifests::Manifests(const Context& context)
    : context_(context),
      graveyard_(context.timers),
      tag_moves_(context.clock, context.counters, context.events),
      unknowns_(context.rules.unknown_for, context.clock),
      refresher_(
          context.rules.keep_fresh, context.rules.seed, context.timers, context.clock,
          [this](const Origin& origin, const TagKey& tag) { check_in_background(origin, tag); }) {}
Manifests::~Manifests() = default;

Manifests::Key Manifests::key_of(const Origin& origin, const std::string& repository,
                                 const oci::Reference& reference) {
  return {&origin, repository + "@" + oci::to_string(reference)};
}

Handle Manifests::get(const Origin& origin, const std::string& repository,
                      const oci::Reference& reference, bool head, Done done,
                      const IpAddress& client) {
  if (const auto* digest = std::get_if<oci::Digest>(&reference)) {
    return by_digest(origin, repository, *digest, std::move(done), client);
  }
  const TagKey tag{origin.name, repository, std::get<oci::Tag>(reference)};
  return by_tag(origin, tag, head, std::move(done), client);
}

std::optional<Error> Manifests::unknown(const Key& key) {
  auto error = unknowns_.find(key);
  if (error) count(context_.counters.unknown_served);
  return error;
}

Handle Manifests::by_digest(const Origin& origin, const std::string& repository,
                            const oci::Digest& digest, Done done, const IpAddress& client) {
  if (!context_.grant_checks.is_needed(origin, repository, digest)) {
    return granted(origin, repository, digest, std::move(done), client);
  }
  return context_.grant_checks.manifest<ManifestAnswer>(
      origin, repository, digest,
      [this, &origin, repository, digest, client](Done answer) {
        return granted(origin, repository, digest, std::move(answer), client);
      },
      std::move(done), client);
}

Handle Manifests::granted(const Origin& origin, const std::string& repository,
                          const oci::Digest& digest, Done done, const IpAddress& client) {
  const auto subject = subject_of(origin, repository, digest);
  if (auto answer = stored(digest, ManifestSource::kHit)) {
    return give(subject, *std::move(answer), done);
  }
  const Key key = key_of(origin, repository, digest);
  const bool first = !fetches_.contains(key);
  auto refused = unknown(key);
  if (!refused) refused = why_not_fetch(origin, repository, digest);
  if (refused) {
    return give(subject, with_platform(*std::move(refused), origin, repository, digest), done);
  }
  return fetch(origin, repository, digest, {client})
      ->wait([this, &origin, repository, digest, first,
              done = std::move(done)](const Result<ManifestAnswer>& answer) {
        note_answer(subject_of(origin, repository, digest), answer, first);
        if (answer.ok()) return done(answer);
        done(with_platform(answer.error(), origin, repository, digest));
      });
}

Error Manifests::with_platform(Error error, const Origin& origin, const std::string& repository,
                               const oci::Digest& digest) const {
  const auto name = recent_indexes_.find_name(context_.store, {origin.name, repository}, digest);
  if (name) error.message = "the manifest for " + *name + " isn't cached: " + error.message;
  return error;
}

std::chrono::milliseconds Manifests::fresh_for(const TagKey& tag) const {
  const Rules& rules = context_.rules;
  return policy::fresh_for(rules.tag_rules, tag.repository, tag.tag, rules.fresh_for);
}

policy::TagServing Manifests::serving(const Origin& origin, const TagKey& tag, policy::TagLook look,
                                      WallTime now) {
  if (!policy::is_fresh(look, now)) {
    look.may_ask = !origin.upstream->why_not(Ask::kTagCheck);
    look.refused = unknowns_.find(key_of(origin, tag.repository, tag.tag)).has_value();
  }
  return policy::tag_serving(look, now);
}

Handle Manifests::by_tag(const Origin& origin, const TagKey& tag, bool head, Done done,
                         const IpAddress& client) {
  using policy::TagServing;
  const WallTime now = context_.clock.wall_now();
  const auto tagged = known(tag);
  auto answer = tagged ? cached(*tagged, now) : std::nullopt;
  if (!answer) return checked(origin, tag, head, false, std::move(done), client);
  const auto fresh_for = this->fresh_for(tag);
  const auto held = tag_moves_.held_since_look(tag);
  const TagServing how = serving(origin, tag,
                                 {.checked_at = tagged->checked_at,
                                  .held_looked_at = held,
                                  .fresh_for = fresh_for,
                                  .stale_while_revalidate = context_.rules.stale_while_revalidate},
                                 now);
  if (how == TagServing::kCheckFirst)
    return checked(origin, tag, head, true, std::move(done), client);
  if (how == TagServing::kAsKnownAndCheck) check(origin, tag, true, client);
  const ManifestSource as_known = held ? ManifestSource::kHeld : ManifestSource::kHit;
  answer->source = how == TagServing::kAsStale ? ManifestSource::kStale : as_known;
  refresher_.on_used(origin, tag, fresh_for);
  return give(subject_of(tag), *std::move(answer), done);
}

Handle Manifests::checked(const Origin& origin, const TagKey& tag, bool head, bool is_cached,
                          Done done, const IpAddress& client) {
  const Key key = key_of(origin, tag.repository, tag.tag);
  const bool first = !checks_.contains(key);
  auto refused = unknown(key);
  if (!refused && first && !is_cached) refused = origin.upstream->why_not(Ask::kUnknownTag);
  if (refused) return give(subject_of(tag), *std::move(refused), done);
  return check(origin, tag, true, client)
      ->wait(head, [this, first, &origin, tag,
                    done = std::move(done)](const Result<ManifestAnswer>& outcome) {
        // Failed names aren't refreshed, because a client may ask for any name.
        if (outcome.ok()) refresher_.on_used(origin, tag, fresh_for(tag));
        note_answer(subject_of(tag), outcome, first);
        done(outcome);
      });
}

std::shared_ptr<TagCheck> Manifests::check(const Origin& origin, const TagKey& tag,
                                           bool fetch_moved, const IpAddress& client) {
  auto& check = checks_[key_of(origin, tag.repository, tag.tag)];
  const bool first = !check;
  if (first) check = std::make_shared<TagCheck>(*this, origin, tag);
  // start() calls no waiter before it returns, so the check stays in the table.
  auto started = check;
  started->join(client);
  if (fetch_moved) started->want_moved();
  if (first) started->start();
  assert(checks_.contains(key_of(origin, tag.repository, tag.tag)));
  return started;
}

void Manifests::check_in_background(const Origin& origin, const TagKey& tag) {
  if (!cached(tag) || origin.upstream->why_not(Ask::kTagCheck)) return;
  if (origin.upstream->patience(Ask::kTagCheck).wait.count() > 0) return;
  check(origin, tag, false, IpAddress());
}

std::shared_ptr<ManifestFetch> Manifests::fetch(const Origin& origin, const std::string& repository,
                                                const oci::Reference& reference,
                                                const std::vector<IpAddress>& clients) {
  auto& fetch = fetches_[key_of(origin, repository, reference)];
  const bool first = !fetch;
  if (first) fetch = std::make_shared<ManifestFetch>(*this, origin, repository, reference);
  for (const IpAddress& client : clients) fetch->join(client);
  if (first) fetch->start();
  return fetch;
}

std::optional<Error> Manifests::why_not_fetch(const Origin& origin, const std::string& repository,
                                              const oci::Reference& reference) const {
  if (fetches_.contains(key_of(origin, repository, reference))) return std::nullopt;
  return origin.upstream->why_not(Ask::kManifest);
}

// Takes `over` out of the table, unless the key has newer work by now.
template <typename Work>
void Manifests::bury(std::map<Key, std::shared_ptr<Work>>& table, const Key& key,
                     const Work& over) {
  const auto at = table.find(key);
  const bool is_there = at != table.end() && at->second.get() == &over;
  assert(is_there);
  if (!is_there) return;
  graveyard_.bury(std::move(at->second));
  table.erase(at);
}

void Manifests::forget(const Key& key, const ManifestFetch& fetch) { bury(fetches_, key, fetch); }

void Manifests::forget(const Key& key, const TagCheck& check) { bury(checks_, key, check); }

std::optional<ManifestAnswer> Manifests::stored(const oci::Digest& digest, ManifestSource source) {
  auto manifest = context_.store.find_manifest(digest);
  if (!manifest) return std::nullopt;
  if (!is_sound(digest, *manifest->bytes)) {
    count(context_.counters.digest_mismatches);
    context_.events.tell(events::ManifestDamaged{digest});
    return std::nullopt;
  }
  const std::uint64_t size = manifest->bytes->size();
  return ManifestAnswer{digest, std::move(manifest->media_type),
                        size,   std::move(manifest->bytes),
                        source, std::nullopt};
}

// A manifest is hashed because the index has no checksums and a disk may damage the index. A
// damaged manifest is fetched again, and the new bytes replace the damaged bytes.
bool Manifests::is_sound(const oci::Digest& digest, const std::string& bytes) {
  const SteadyTime now = context_.clock.steady_now();
  if (now - sound_since_ > kSoundFor) {
    sound_.clear();
    sound_since_ = now;
  }
  if (sound_.contains(digest)) return true;
  if (oci::Digest::of(bytes, digest.kind()) != digest) return false;
  sound_.insert(digest);
  return true;
}

std::optional<StoredTag> Manifests::known(const TagKey& tag) const {
  const auto confirmed = confirmed_.find(tag);
  return confirmed != confirmed_.end() ? std::optional(confirmed->second)
                                       : context_.store.find_tag(tag);
}

std::optional<ManifestAnswer> Manifests::cached(const StoredTag& tagged, WallTime now) {
  auto answer = stored(tagged.digest, ManifestSource::kHit);
  if (!answer) return std::nullopt;
  // The age is negative when the clock was set back.
  answer->age = std::chrono::floor<std::chrono::seconds>(now - tagged.checked_at);
  return answer;
}

std::optional<ManifestAnswer> Manifests::cached(const TagKey& tag) {
  const auto tagged = known(tag);
  return tagged ? cached(*tagged, context_.clock.wall_now()) : std::nullopt;
}

bool Manifests::is_news(const TagKey& tag, WallTime looked_at) const {
  const auto before = known(tag);
  // A time in the future means that the clock was set back.
  return !before || before->checked_at <= looked_at ||
         before->checked_at > context_.clock.wall_now();
}

void Manifests::confirm(const TagKey& tag, const oci::Digest& digest, WallTime looked_at) {
  if (!is_news(tag, looked_at)) return;
  const StoredTag now{digest, looked_at};
  const auto before = known(tag);
  const auto indexed = context_.store.find_tag(tag);
  confirmed_.insert_or_assign(tag, now);
  const bool moved = before && before->digest != digest;
  if (moved) tag_moves_.note(tag, before->digest, digest);
  tag_moves_.release(tag, digest);
  const bool as_indexed =
      indexed && indexed->digest == digest && is_recent(indexed->checked_at, now.checked_at);
  if (!moved && as_indexed) return;
  const std::string name = tag.repository + ":" + tag.tag;
  context_.store.put_tag(tag, now, [name](const Status& status) {
    if (!status.ok()) log::error("{}: the tag was not kept: {}", name, status.error().message);
  });
}

void Manifests::note_move(const TagKey& tag, const oci::Digest& from, const oci::Digest& to,
                          std::uint64_t fetch_bytes) {
  tag_moves_.note(tag, from, to);
  tag_moves_.set_fetch_bytes(tag, to, fetch_bytes);
}

Handle Manifests::give(const events::Subject& image, Result<ManifestAnswer> answer,
                       const Done& done) const {
  assert(!answer.ok() || answer->source != ManifestSource::kFetched);
  note_answer(image, answer, true);
  done(std::move(answer));
  return nullptr;
}

void Manifests::note_answer(const events::Subject& image, const Result<ManifestAnswer>& answer,
                            bool first) const {
  Counters& counters = context_.counters;
  const bool was_here = answer.ok() && answer->source != ManifestSource::kFetched;
  if (!was_here) count(first ? counters.manifest_misses : counters.manifest_shared);
  if (!answer.ok()) return;
  if (oci::is_index(answer->media_type)) recent_indexes_.note(image, answer->digest);
  context_.events.tell(events::Pulled{image, answer->digest, served(answer->source)});
  if (!was_here) {
    if (fetched_) fetched_(image, *answer);
    return context_.store.note_first_pull(answer->digest);
  }
  count(counters.manifest_hits);
  context_.store.touch_manifest(answer->digest);
  if (answer->source == ManifestSource::kStale) count(counters.stale_served);
  if (answer->source == ManifestSource::kHeld) count(counters.held_served);
}

}  // namespace layby::cache
