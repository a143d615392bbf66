// SPDX-License-Identifier: Apache-2.0
//
// The adversary decides the fate of a request when the request is sent; the answer comes later. A
// callback may destroy the transfer that calls it.

#include "simulation/uplink.h"

#include <cassert>
#include <utility>

#include "layby/base/lifetime.h"
#include "simulation/raced_transfer.h"
#include "simulation/transfer_watch.h"

namespace layby::simulation {
namespace {

constexpr milliseconds kTimeOut = cache::kRequestTimeout;
constexpr seconds kBetweenDrops{10};
constexpr std::uint64_t kPullLimit = 150;
constexpr seconds kPullWindow{6 * 3600};

Error timed_out() { return {ErrorCode::kTimedOut, "it did not answer in time"}; }
Error not_found(const std::string& what) { return {ErrorCode::kNotFound, what + ": not found"}; }

// The middle byte is wrong.
std::string damaged(std::string bytes) {
  if (!bytes.empty()) bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  return bytes;
}

// The repository of the manifest "manifest library/debian@sha256:..." or "...:tag".
std::string repository_of(const std::string& manifest) {
  const std::string name = manifest.substr(manifest.find(' ') + 1);
  return name.substr(0, name.find_first_of("@:"));
}

void forget_before(std::deque<SteadyTime>& times, SteadyTime limit) {
  while (!times.empty() && times.front() <= limit) times.pop_front();
}

}  // namespace

// A request with one answer.
class Uplink::Pending final : public Operation {
 public:
  Pending(Uplink& uplink, std::string get) : uplink_(uplink), get_(std::move(get)) {
    ++uplink_.open_;
    if (!get_.empty()) uplink_.begin_get(get_);
  }
  ~Pending() override { over(); }
  // Ends the request before its callback, which may begin the same request again.
  void over() {
    if (std::exchange(over_, true)) return;
    --uplink_.open_;
    if (!get_.empty()) uplink_.end_get(get_);
  }
  Handle timer;

 private:
  Uplink& uplink_;
  const std::string get_;
  bool over_ = false;
};

class Uplink::Transfer final : public BlobRequest, private cache::BlobSink {
 public:
  Transfer(Uplink& uplink, const std::string& repository, const oci::Digest& digest,
           const cache::BlobSpan& span, cache::BlobSink& sink)
      : uplink_(uplink),
        digest_(digest),
        span_(span),
        sink_(sink),
        watch_(uplink.place_.timers, uplink.internet_.world, [this] { end(timed_out()); }) {
    ++uplink_.open_;
    uplink_.begin_get(name(), is_part());
    uplink_.note_sent(What::kBlob);
    const auto& internet = uplink_.internet_;
    fate_ = internet.adversary.fate(uplink_.place_.box, What::kBlob,
                                    repository + "@" + digest_.str(), internet.world.steady_now());
    watch_.begin();
    if (!fate_.silent) timer_ = uplink_.place_.timers.after(fate_.delay, [this] { begin(); });
  }
  ~Transfer() override { release(); }

  void pause() override {
    paused_ = true;
    watch_.pause();
    if (flow_) flow_->paused = true;
  }
  void resume() override {
    paused_ = false;
    watch_.resume();
    if (!flow_) return;
    flow_->paused = false;
    uplink_.place_.link.go_on();
  }

 private:
  void begin() {
    const Handle over = std::move(timer_);
    if (fate_.error) return end(*fate_.error);
    const std::string* bytes = uplink_.internet_.content.find_blob(digest_);
    if (bytes == nullptr) return end(not_found(digest_.str()));
    const std::uint64_t first = fate_.no_ranges ? 0 : span_.offset;
    if (first > 0 && first >= bytes->size()) return end(Error{ErrorCode::kInvalid, "416"});
    if (fate_.corrupt) own_ = damaged(*bytes);
    flow_ = std::make_shared<site_day::Link::Flow>();
    *flow_ = {this, fate_.corrupt ? &own_ : bytes, static_cast<std::size_t>(first), paused_};
    if (span_.end && !fate_.no_ranges) flow_->end = static_cast<std::size_t>(*span_.end);
    watch_.begin_body();
    const auto life = life_.watch();
    sink_.on_blob_start({first, fate_.no_ranges ? std::nullopt : std::optional(bytes->size())});
    if (life.ended() || ended_) return;
    if (fate_.drips) return drip();
    uplink_.place_.link.add(flow_);
  }

  // Sends single bytes, more slowly than the floor of the rate.
  void drip() {
    timer_ = uplink_.place_.timers.after(kBetweenDrops, [this] {
      const Handle over = std::move(timer_);
      const auto life = life_.watch();
      if (!paused_ && flow_->sent < flow_->size()) {
        on_blob_bytes(std::string_view(*flow_->bytes).substr(flow_->sent++, 1));
      }
      if (life.ended() || ended_) return;
      flow_->sent == flow_->size() ? end({}) : drip();
    });
  }

  void on_blob_start(const cache::BlobStart&) override {}
  void on_blob_bytes(std::string_view bytes) override {
    if (stalled_ || ended_) return;
    const std::size_t before = passed_;
    passed_ += bytes.size();
    if (fate_.stall && passed_ > *fate_.stall) {
      stalled_ = true;
      return;
    }
    watch_.count(bytes.size());
    const auto life = life_.watch();
    const bool cut = fate_.cut && passed_ >= *fate_.cut;
    if (cut) bytes = bytes.substr(0, *fate_.cut > before ? *fate_.cut - before : 0);
    note_wrong(bytes);
    if (!bytes.empty()) sink_.on_blob_bytes(bytes);
    if (!life.ended() && cut) end(Error{ErrorCode::kUnavailable, "the transfer was cut"});
  }
  void on_blob_end(Status status) override {
    if (!stalled_) end(std::move(status));
  }

  // `bytes` is a part of the flow's bytes.
  void note_wrong(std::string_view bytes) {
    if (!fate_.corrupt) return;
    const char* wrong = own_.data() + own_.size() / 2;
    if (bytes.data() > wrong || bytes.data() + bytes.size() <= wrong) return;
    uplink_.internet_.invariants.sent_wrong_byte(uplink_.place_.box, digest_);
  }

  void end(Status status) {
    if (ended_) return;
    release();
    sink_.on_blob_end(std::move(status));  // May destroy this.
  }
  void release() {
    if (std::exchange(ended_, true)) return;
    if (flow_) flow_->sink = nullptr;
    timer_.reset();
    watch_.end();
    uplink_.end_get(name());
    --uplink_.open_;
  }

  // The GETs of parts of a blob are counted apart from the other GETs of the blob.
  bool is_part() const { return span_.end.has_value(); }
  std::string name() const { return is_part() ? "part of " + digest_.str() : digest_.str(); }

  Uplink& uplink_;
  const oci::Digest digest_;
  const cache::BlobSpan span_;
  cache::BlobSink& sink_;
  Fate fate_;
  std::string own_;  // The damaged bytes.
  std::shared_ptr<site_day::Link::Flow> flow_;
  std::size_t passed_ = 0;
  bool paused_ = false;
  bool stalled_ = false;
  bool ended_ = false;
  Handle timer_;
  TransferWatch watch_;
  Lifetime life_;
};

Uplink::Uplink(const Internet& internet, Place place)
    : internet_(internet), place_(std::move(place)) {}

Uplink::~Uplink() { assert(open_ == 0); }

void Uplink::note_sent(What what) {
  if (what == What::kPing || place_.requests_per_minute == 0) return;
  const SteadyTime now = internet_.world.steady_now();
  forget_before(sent_, now - minutes(1));
  sent_.push_back(now);
  if (2 * sent_.size() >= static_cast<std::size_t>(place_.requests_per_minute)) {
    internet_.invariants.note_busy(place_.box);
  }
  if (sent_.size() <= static_cast<std::size_t>(place_.requests_per_minute)) return;
  internet_.invariants.broke(place_.box, "the minute is kept",
                             std::to_string(sent_.size()) + " requests in a minute");
}

void Uplink::begin_get(const std::string& name, bool is_part) {
  const std::size_t before = under_way_[name]++;
  const auto digest = oci::Digest::parse(is_part ? name.substr(name.rfind(' ') + 1) : name);
  // Each fill may have a hedge under way too.
  const std::size_t most = is_part ? kMostPartsUnderWay : 2;
  if (before > 0 && digest && before >= most * place_.fills(*digest)) {
    internet_.invariants.broke(place_.box, "one GET for one digest", name);
  }
  auto& times = gets_[name];
  const SteadyTime now = internet_.world.steady_now();
  forget_before(times, now - kAttemptsWindow);
  times.push_back(now);
  const std::size_t gets = is_part ? kMostPartGets : kMostGetsOfABlob;
  if (times.size() > gets * place_.wants(digest ? digest->str() : repository_of(name))) {
    internet_.invariants.broke(place_.box, "attempts are bounded",
                               name + ": " + std::to_string(times.size()) + " GETs");
  }
}

void Uplink::end_get(const std::string& name) {
  const auto at = under_way_.find(name);
  assert(at != under_way_.end());
  if (--at->second == 0) under_way_.erase(at);
}

template <typename T>
Handle Uplink::ask(What what, const std::string& name, milliseconds deadline,
                   std::function<Result<T>(const Fate&)> answer, Done<T> done) {
  note_sent(what);
  const Fate fate = internet_.adversary.fate(place_.box, what, name, internet_.world.steady_now());
  const bool is_get = what == What::kManifest && name.find('@') != std::string::npos;
  auto pending = std::make_unique<Pending>(*this, is_get ? "manifest " + name : "");
  const bool late = fate.silent || fate.delay >= deadline;
  pending->timer = place_.timers.after(
      late ? deadline : fate.delay,
      [late, fate, pending = pending.get(), answer = std::move(answer), done = std::move(done)] {
        const auto then = done;  // This closure is destroyed with `pending`.
        Result<T> result = late         ? Result<T>(timed_out())
                           : fate.error ? Result<T>(*fate.error)
                                        : answer(fate);
        pending->over();
        then(std::move(result));
      });
  return pending;
}

const testing::TestManifest* Uplink::find(const std::string& repository,
                                          const oci::Reference& reference) const {
  if (const auto* digest = std::get_if<oci::Digest>(&reference)) {
    return internet_.content.find_manifest(*digest);
  }
  const auto digest = internet_.content.find_tag({repository, std::get<oci::Tag>(reference)});
  return digest ? internet_.content.find_manifest(*digest) : nullptr;
}

std::uint64_t Uplink::pulls_left() {
  auto& counted = place_.pulls.counted;
  forget_before(counted, internet_.world.steady_now() - kPullWindow);
  return kPullLimit - counted.size();
}

namespace {

std::string name_of(const std::string& repository, const oci::Reference& reference) {
  const bool is_digest = std::holds_alternative<oci::Digest>(reference);
  return repository + (is_digest ? "@" : ":") + oci::to_string(reference);
}

}  // namespace

Handle Uplink::head_manifest(const std::string& repository, const oci::Reference& reference,
                             milliseconds deadline, Done<cache::ManifestHead> done) {
  return ask<cache::ManifestHead>(
      What::kTag, name_of(repository, reference), std::min(deadline, kTimeOut),
      [this, repository, reference](const Fate&) -> Result<cache::ManifestHead> {
        const auto* manifest = find(repository, reference);
        if (manifest == nullptr) return not_found(repository);
        return cache::ManifestHead{manifest->digest, manifest->media_type, manifest->bytes.size()};
      },
      std::move(done));
}

Result<cache::ManifestBody> Uplink::pull(const std::string& repository,
                                         const oci::Reference& reference, const Fate& fate) {
  const auto* manifest = find(repository, reference);
  if (manifest == nullptr) return not_found(repository);
  const std::uint64_t left = pulls_left();
  if (left > 0) place_.pulls.counted.push_back(internet_.world.steady_now());
  quota_ = policy::QuotaState{{kPullLimit, kPullWindow},
                              {pulls_left(), kPullWindow},
                              "192.0.2.1",
                              internet_.world.wall_now()};
  if (left == 0) {
    internet_.invariants.excuse(place_.box, internet_.world.steady_now() + minutes(20));
    return Error{ErrorCode::kThrottled, "the pull limit is used up", {}};
  }
  return cache::ManifestBody{fate.corrupt ? damaged(manifest->bytes) : manifest->bytes,
                             manifest->media_type};
}

Handle Uplink::get_manifest(const std::string& repository, const oci::Reference& reference,
                            Done<cache::ManifestBody> done) {
  return ask<cache::ManifestBody>(
      What::kManifest, name_of(repository, reference), kTimeOut,
      [this, repository, reference](const Fate& fate) { return pull(repository, reference, fate); },
      std::move(done));
}

Handle Uplink::head_blob(const std::string& repository, const oci::Digest& digest,
                         Done<cache::BlobHead> done) {
  return ask<cache::BlobHead>(
      What::kBlobHead, repository + "@" + digest.str(), kTimeOut,
      [this, digest](const Fate&) -> Result<cache::BlobHead> {
        const std::string* bytes = internet_.content.find_blob(digest);
        if (bytes == nullptr) return not_found(digest.str());
        return cache::BlobHead{bytes->size()};
      },
      std::move(done));
}

std::unique_ptr<cache::BlobTransfer> Uplink::get_blob(const std::string& repository,
                                                      const oci::Digest& digest,
                                                      const cache::BlobSpan& span,
                                                      cache::BlobSink& sink) {
  return std::make_unique<RacedTransfer>(
      [this, repository, digest, span](cache::BlobSink& into) {
        return std::make_unique<Transfer>(*this, repository, digest, span, into);
      },
      sink);
}

Handle Uplink::get_tags(const std::string& repository, const cache::TagPageRequest&,
                        Done<cache::TagPage> done) {
  return ask<cache::TagPage>(
      What::kList, repository, kTimeOut,
      [](const Fate&) {
        return cache::TagPage{{"latest", "stable"}, false};
      },
      std::move(done));
}

Handle Uplink::get_referrers(const std::string& repository, const oci::Digest&, const std::string&,
                             Done<std::string> done) {
  return ask<std::string>(
      What::kList, repository, kTimeOut,
      [repository](const Fate&) -> Result<std::string> { return not_found(repository); },
      std::move(done));
}

Handle Uplink::ping(milliseconds deadline, std::function<void(Status)> done) {
  return ask<bool>(
      What::kPing, "", deadline, [](const Fate&) { return true; },
      [done = std::move(done)](const Result<bool>& answer) {
        done(answer.ok() ? Status() : Status(answer.error()));
      });
}

}  // namespace layby::simulation
