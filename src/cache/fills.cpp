// SPDX-License-Identifier: Apache-2.0
//
// A fill leaves the table as soon as the fill is over, so that the next asker finds the stored
// blob or begins a new fill. The fill is destroyed a turn later, because a fill ends inside
// one of its own callbacks.

#include "cache/fills.h"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <utility>

#include "cache/with_retries.h"

namespace layby::cache {
namespace {

// The Retry-After for a client that has too many waiting downloads.
constexpr std::chrono::seconds kLineIsFull{5};

class StoredReader final : public BlobReader {
 public:
  explicit StoredReader(StoredBlob blob) : blob_(std::move(blob)) { assert(blob_.file); }
  BlobPart part_at(std::uint64_t offset) const override { return blob_.file->part_at(offset); }
  void consumed(std::uint64_t) override {}
  bool revoked() const override { return blob_.file->revoked(); }
  std::uint64_t size_bytes() const override { return blob_.size_bytes; }
  std::uint64_t readable_bytes() const override { return blob_.size_bytes; }
  bool from_fill() const override { return false; }
  void listen(Listener*) override {}

 private:
  const StoredBlob blob_;
};

}  // namespace

class Fills::Fetch final : public Operation {
 public:
  Fetch(Fills& fills, oci::Digest digest, Handle waiting)
      : fills_(fills), digest_(std::move(digest)), waiting_(std::move(waiting)) {}
  ~Fetch() override {
    waiting_.reset();
    fills_.abandon(digest_);
  }

 private:
  Fills& fills_;
  const oci::Digest digest_;
  Handle waiting_;
};

Fills::Fills(const Rules& rules, Store& store, Timers& timers, const Clock& clock,
             Counters& counters, GrantChecks& grant_checks, events::Events& events)
    : room_({rules.space, store, timers, [this] { return reserved_bytes(); },
             [this] { stop_keeping(); }, events}),
      background_(timers, clock, [this] { update_background(); }),
      unknown_(rules.unknown_for, clock),
      context_{rules,
               store,
               timers,
               clock,
               counters,
               room_,
               background_,
               grant_checks,
               unknown_,
               events,
               hedges_,
               link_,
               [this]() -> std::optional<Spare> {
                 return sparing_ ? std::optional(sparing_()) : std::nullopt;
               }},
      over_(timers) {}

bool Fills::needs_grant_check(const Origin& origin, const std::string& repository,
                              const oci::Digest& digest) const {
  if (context_.grant_checks.is_needed(origin, repository, digest)) return true;
  const Fill* fill = find(digest);
  return fill != nullptr && fill->is_private() && !fill->is_for(origin, repository);
}

Handle Fills::open(const Origin& origin, const std::string& repository, const oci::Digest& digest,
                   Cache::Done<std::unique_ptr<BlobReader>> done, const IpAddress& client) {
  if (!needs_grant_check(origin, repository, digest)) {
    return open_granted(origin, repository, digest, std::move(done), client);
  }
  return context_.grant_checks.blob<std::unique_ptr<BlobReader>>(
      origin, repository, digest,
      [this, &origin, repository, digest, client](auto answer) {
        return open_granted(origin, repository, digest, std::move(answer), client);
      },
      std::move(done), client);
}

Handle Fills::open_granted(const Origin& origin, const std::string& repository,
                           const oci::Digest& digest, Cache::Done<std::unique_ptr<BlobReader>> done,
                           const IpAddress& client) {
  const auto at = fills_.find(digest);
  if (at != fills_.end() && at->second->can_be_joined()) {
    count(context_.counters.blob_shared);
    tell_asked(origin, repository, digest, false);
    return at->second->open(std::move(done), client);
  }
  if (at != fills_.end()) {
    passing_.push_back(std::move(at->second));
    fills_.erase(at);
  }
  if (auto blob = context_.store.open_blob(digest)) {
    count(context_.counters.blob_hits);
    context_.store.touch_blob(digest);
    tell_asked(origin, repository, digest, true);
    done(std::unique_ptr<BlobReader>(std::make_unique<StoredReader>(std::move(*blob))));
    return nullptr;
  }
  count(context_.counters.blob_misses);
  if (const auto refused = why_not(origin, repository, digest)) {
    done(*refused);
    return nullptr;
  }
  if (!policy::may_join_line(line_use(client))) {
    done(Error{ErrorCode::kThrottled,
               origin.name + ": too many downloads wait for their turn; ask again later",
               kLineIsFull});
    return nullptr;
  }
  tell_asked(origin, repository, digest, false);
  return start(origin, repository, digest).open(std::move(done), client);
}

void Fills::tell_asked(const Origin& origin, const std::string& repository,
                       const oci::Digest& digest, bool stored) {
  if (watcher_ != nullptr) watcher_->on_asked(origin, repository, digest, stored);
}

std::optional<Error> Fills::why_not(const Origin& origin, const std::string& repository,
                                    const oci::Digest& digest) {
  if (auto refusal = unknown_.find({&origin, repository + "@" + digest.str()})) {
    count(context_.counters.unknown_served);
    return refusal;
  }
  return origin.upstream->why_not(Ask::kBlob);
}

policy::LineUse Fills::line_use(const IpAddress& client) const {
  policy::LineUse use;
  for (const auto& [digest, fill] : fills_) {
    if (!fill->awaits_first_byte()) continue;
    ++use.all;
    if (fill->is_wanted_by(client)) ++use.mine;
  }
  return use;
}

Handle Fills::head(const Origin& origin, const std::string& repository, const oci::Digest& digest,
                   Cache::Done<BlobHead> done, const IpAddress& client) {
  if (!needs_grant_check(origin, repository, digest)) {
    return head_granted(origin, repository, digest, std::move(done), client);
  }
  return context_.grant_checks.blob<BlobHead>(
      origin, repository, digest,
      [this, &origin, repository, digest, client](auto answer) {
        return head_granted(origin, repository, digest, std::move(answer), client);
      },
      std::move(done), client);
}

Handle Fills::head_granted(const Origin& origin, const std::string& repository,
                           const oci::Digest& digest, Cache::Done<BlobHead> done,
                           const IpAddress& client) {
  if (const auto at = fills_.find(digest); at != fills_.end() && at->second->size_bytes()) {
    done(BlobHead{at->second->size_bytes()});
    return nullptr;
  }
  if (const auto blob = context_.store.open_blob(digest)) {
    count(context_.counters.blob_hits);
    done(BlobHead{blob->size_bytes});
    return nullptr;
  }
  if (const auto refused = why_not(origin, repository, digest)) {
    done(*refused);
    return nullptr;
  }
  return with_retries<BlobHead>(
      context_.rules.retry, context_.timers, context_.counters,
      [&upstream = *origin.upstream, repository, digest, client](auto answer) {
        return upstream.on_behalf_of(client).head_blob(repository, digest, std::move(answer));
      },
      [this, &origin, name = repository + "@" + digest.str(),
       done = std::move(done)](const Result<BlobHead>& head) {
        if (!head.ok() && is_refusal(head.error())) unknown_.note({&origin, name}, head.error());
        done(head);
      });
}

void Fills::fetch(const Origin& origin, const std::string& repository, const oci::Digest& digest) {
  Fill* fill = find(digest);
  if (fill == nullptr) fill = &start(origin, repository, digest);
  fill->keep_to_end();
}

Handle Fills::fetch(const Origin& origin, const std::string& repository, const oci::Digest& digest,
                    std::function<void(Status)> done) {
  Fill* fill = find(digest);
  if (fill == nullptr) fill = &start(origin, repository, digest);
  return std::make_unique<Fetch>(*this, digest, fill->wait_stored(std::move(done)));
}

Handle Fills::fetch_ahead(const Origin& origin, const std::string& repository,
                          const oci::Digest& digest, std::shared_ptr<std::uint64_t> bytes,
                          std::function<void(Status)> done) {
  assert(find(digest) == nullptr);
  Fill& fill = start(origin, repository, digest);
  fill.go_ahead(std::move(bytes));
  return std::make_unique<Fetch>(*this, digest, fill.wait_stored(std::move(done)));
}

bool Fills::was_left(const oci::Digest& digest) const {
  const Fill* fill = find(digest);
  return fill != nullptr && fill->was_left();
}

Fill* Fills::find(const oci::Digest& digest) const {
  const auto at = fills_.find(digest);
  return at == fills_.end() ? nullptr : at->second.get();
}

std::uint64_t Fills::written_bytes(const oci::Digest& digest) const {
  const Fill* fill = find(digest);
  return fill == nullptr ? 0 : fill->written_bytes();
}

void Fills::abandon(const oci::Digest& digest) {
  Fill* fill = find(digest);
  if (fill != nullptr && fill->is_abandoned()) fill->cancel();
}

void Fills::update_background() {
  for (const auto& [digest, fill] : fills_) fill->update_flow();
  if (watcher_ != nullptr) watcher_->on_background();
}

std::vector<FillStatus> Fills::status() const {
  std::vector<FillStatus> all;
  all.reserve(fills_.size() + passing_.size());
  for (const auto& [digest, fill] : fills_) all.push_back(fill->status());
  for (const auto& fill : passing_) all.push_back(fill->status());
  return all;
}

std::uint64_t Fills::reserved_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& [digest, fill] : fills_) bytes += fill->reserved_bytes();
  return bytes;
}

void Fills::stop_keeping() {
  for (const auto& [digest, fill] : fills_) fill->stop_keeping();
}

void Fills::forget(const Fill& fill) { over_.bury(take(fill)); }

std::unique_ptr<Fill> Fills::take(const Fill& fill) {
  const auto is_it = [&fill](const auto& owned) { return owned.get() == &fill; };
  const auto passing = std::find_if(passing_.begin(), passing_.end(), is_it);
  if (passing != passing_.end()) {
    auto taken = std::move(*passing);
    passing_.erase(passing);
    return taken;
  }
  const auto at = std::find_if(fills_.begin(), fills_.end(),
                               [&](const auto& entry) { return is_it(entry.second); });
  assert(at != fills_.end());
  auto taken = std::move(at->second);
  fills_.erase(at);
  return taken;
}

Fill& Fills::start(const Origin& origin, const std::string& repository, const oci::Digest& digest) {
  auto fill = std::make_unique<Fill>(context_, origin, repository, digest,
                                     [this](const Fill& over) { forget(over); });
  Fill& started = *fill;
  [[maybe_unused]] const bool added = fills_.emplace(digest, std::move(fill)).second;
  assert(added);
  started.start();
  return started;
}

}  // namespace layby::cache
