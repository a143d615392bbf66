// SPDX-License-Identifier: Apache-2.0
//
// The registry is asked after any error of the parent. The parent may not serve the repository, may
// not know the registry, or may be wrong about which content exists. The registry is also asked
// about a tag that the parent confirmed too long ago or calls stale. When the registry's why_not()
// gives a reason, the registry isn't asked. The answer is then the parent's old answer, or the
// reason as an error.
// Invariants: a caller is answered once; a transfer whose bytes the parent has begun doesn't go on
// at the registry.

#include "layby/cache/failover.h"

#include <algorithm>
#include <cassert>
#include <utility>
#include <variant>

#include "layby/base/log.h"

namespace layby::cache {

namespace {

using std::chrono::milliseconds;

// A parent whose uplink fails without an answer may keep a question for long. After this time, the
// registry is asked, if it can be asked.
constexpr milliseconds kLongestOfParent{5'000};

// A parent that failed in the middle of a blob may fail there again, for example because its own
// link is too slow for its clients. The registry is asked first for this time.
constexpr std::chrono::minutes kBrokenFor{1};
constexpr std::size_t kMostBroken = 1024;

// Whether the parent answered, and would soon give the same answer again. Corrupt bytes don't
// count, because another attempt may bring good bytes.
bool has_answered(const Error& of_parent) {
  switch (of_parent.code) {
    case ErrorCode::kUnavailable:
    case ErrorCode::kTimedOut:
    case ErrorCode::kCorrupt:
      return of_parent.declined;
    default:
      return true;
  }
}

// The error when the parent failed with `of_parent`, and the registry isn't asked because of
// `refused`. If the parent has answered and the registry is out of reach, another attempt soon is
// in vain. Otherwise the parent may be back in a moment, so the next attempt needn't wait for the
// registry.
Error both_failed(const Error& of_parent, Error refused, bool registry_is_out) {
  refused.declined = has_answered(of_parent) && registry_is_out;
  if (!refused.declined) refused.retry_after.reset();
  return refused;
}

AnswerAge* age_of(Answer& answer) {
  if (auto* head = std::get_if<ManifestHead>(&answer)) return &head->age;
  if (auto* body = std::get_if<ManifestBody>(&answer)) return &body->age;
  return nullptr;
}

}  // namespace

class Failover::Either final : public Operation {
 public:
  Either(const Failover& owner, Question question, Done<Answer> done)
      : owner_(owner),
        question_(std::move(question)),
        asked_at_(owner.clock_.steady_now()),
        done_(std::move(done)) {}

  void start(Upstream& parent) {
    assert(!request_);
    const bool has_registry = !owner_.registry_->why_not(Ask::kUnknownTag);
    const milliseconds half = question_.deadline / 2;
    request_ = question_.put(parent.on_behalf_of(question_.askers),
                             has_registry ? std::min(half, kLongestOfParent) : half,
                             [this](Result<Answer> answer) { on_parent(std::move(answer)); });
  }

 private:
  void on_parent(Result<Answer> answer) {
    if (answer.ok()) {
      AnswerAge* const age = age_of(*answer);
      if (age == nullptr || !owner_.is_too_old(question_, *age)) return finish(std::move(answer));
      age->stale = true;
      old_ = std::move(*answer);
    } else {
      log::debug("parent: {}", answer.error().message);
    }
    Upstream& registry = *owner_.registry_;
    if (auto refused = registry.why_not(question_.ask)) {
      if (old_) return finish(*std::move(old_));
      // A doubtful registry may still be asked about a tag that isn't cached.
      const bool is_out =
          question_.ask != Ask::kTagCheck || registry.why_not(Ask::kUnknownTag).has_value();
      return finish(both_failed(answer.error(), *std::move(refused), is_out));
    }
    request_ = question_.put(registry.on_behalf_of(question_.askers), time_left(),
                             [this](Result<Answer> last) { on_registry(std::move(last)); });
  }
  void on_registry(Result<Answer> answer) {
    // The parent's old answer is better than an error, but must not hide the registry's refusal.
    if (!answer.ok() && !is_refusal(answer.error()) && old_) return finish(*std::move(old_));
    finish(std::move(answer));
  }
  milliseconds time_left() const {
    if (question_.deadline == kNoDeadline) return kNoDeadline;
    const auto took = std::chrono::ceil<milliseconds>(owner_.clock_.steady_now() - asked_at_);
    return std::max(question_.deadline - took, question_.deadline / 2);
  }
  void finish(Result<Answer> answer) {
    assert(done_);
    const auto done = std::move(done_);  // `done` may destroy this.
    done(std::move(answer));
  }

  const Failover& owner_;
  const Question question_;
  const SteadyTime asked_at_;
  Done<Answer> done_;
  Handle request_;
  std::optional<Answer> old_;  // The parent's answer, if the answer is too old.
};

class Failover::Transfer final : public BlobTransfer, private BlobSink {
 public:
  using Start = std::function<std::unique_ptr<BlobTransfer>(Upstream&, BlobSink&)>;
  Transfer(Failover& owner, const oci::Digest& digest, Start start, BlobSink& sink)
      : owner_(owner),
        digest_(digest),
        start_(std::move(start)),
        sink_(sink),
        from_parent_(owner.prefers_parent(digest)) {
    inner_ = start_(from_parent_ ? *owner_.parent_ : *owner_.registry_, *this);
    assert(inner_);
  }

  void pause() override {
    paused_ = true;
    inner_->pause();
  }
  void resume() override {
    paused_ = false;
    inner_->resume();
  }
  bool hedge() override { return inner_->hedge(); }

 private:
  void on_blob_asked() override { sink_.on_blob_asked(); }
  void on_blob_start(const BlobStart& start) override {
    begun_ = true;
    sink_.on_blob_start(start);
  }
  void on_blob_bytes(std::string_view bytes) override {
    assert(begun_);
    sink_.on_blob_bytes(bytes);
  }
  bool in_background() const override { return sink_.in_background(); }
  bool lends_slot() const override { return sink_.lends_slot(); }
  bool is_spare() const override { return sink_.is_spare(); }
  std::vector<IpAddress> clients() const override { return sink_.clients(); }
  void on_blob_end(Status status) override {
    if (status.ok()) return sink_.on_blob_end(std::move(status));
    // After a failure of the registry, the parent may be asked again.
    if (from_parent_ && begun_) owner_.note_broken(digest_);
    if (!from_parent_) owner_.broken_.erase(digest_);
    // A spare transfer isn't worth a request to a second upstream.
    if (!from_parent_ || begun_ || sink_.is_spare()) return sink_.on_blob_end(std::move(status));
    log::debug("parent: {}", status.error().message);
    Upstream& registry = *owner_.registry_;
    if (auto refused = registry.why_not(Ask::kBlob)) {
      return sink_.on_blob_end(both_failed(status.error(), *std::move(refused), true));
    }
    from_parent_ = false;
    inner_ = start_(registry, *this);
    if (paused_) inner_->pause();
  }

  Failover& owner_;
  const oci::Digest digest_;
  const Start start_;
  BlobSink& sink_;
  bool from_parent_;  // Whether inner_ is the parent's.
  bool begun_ = false;
  bool paused_ = false;
  std::unique_ptr<BlobTransfer> inner_;
};

Handle Failover::relay(Question question, Done<Answer> done) {
  if (parent_->why_not(question.ask)) {
    return question.put(registry_->on_behalf_of(question.askers), question.deadline,
                        std::move(done));
  }
  auto both = std::make_unique<Either>(*this, std::move(question), std::move(done));
  both->start(*parent_);
  return both;
}

std::unique_ptr<BlobTransfer> Failover::get_blob(const std::string& repository,
                                                 const oci::Digest& digest, const BlobSpan& span,
                                                 BlobSink& sink) {
  if (parent_->why_not(Ask::kBlob)) return registry_->get_blob(repository, digest, span, sink);
  return std::make_unique<Transfer>(
      *this, digest,
      [repository, digest, span](Upstream& upstream, BlobSink& into) {
        return upstream.get_blob(repository, digest, span, into);
      },
      sink);
}

bool Failover::prefers_parent(const oci::Digest& digest) {
  const auto broken = broken_.find(digest);
  if (broken == broken_.end()) return true;
  if (broken->second + kBrokenFor > clock_.steady_now()) {
    return registry_->why_not(Ask::kBlob).has_value();
  }
  broken_.erase(broken);
  return true;
}

void Failover::note_broken(const oci::Digest& digest) {
  const SteadyTime now = clock_.steady_now();
  if (broken_.size() >= kMostBroken) {
    std::erase_if(broken_, [now](const auto& entry) { return entry.second + kBrokenFor <= now; });
  }
  if (broken_.size() >= kMostBroken) broken_.clear();
  broken_.insert_or_assign(digest, now);
}

void Failover::on_more_askers() {
  parent_->on_more_askers();
  registry_->on_more_askers();
}

Handle Failover::ping(std::chrono::milliseconds deadline, std::function<void(Status)> done) {
  return registry_->ping(deadline, std::move(done));
}

bool Failover::is_too_old(const Question& question, const AnswerAge& age) const {
  if (age.stale) return true;
  const auto* tag = question.reference ? std::get_if<oci::Tag>(&*question.reference) : nullptr;
  if (tag == nullptr || !age_limit_) return false;
  return age.age > age_limit_(question.repository, *tag);
}

std::optional<policy::QuotaState> Failover::quota() const { return registry_->quota(); }

std::vector<std::string> Failover::boxes() const {
  std::vector<std::string> boxes = parent_->boxes();
  for (std::string& box : registry_->boxes()) boxes.push_back(std::move(box));
  return boxes;
}

std::optional<Error> Failover::why_not(Ask ask) {
  if (!parent_->why_not(ask)) return std::nullopt;
  return registry_->why_not(ask);
}

// If the parent can be asked without a wait, the registry's wait doesn't count: content from the
// parent costs this box no pull.
Patience Failover::patience(Ask ask) const {
  Patience of_parent = parent_->patience(ask);
  if (of_parent.wait.count() == 0) return of_parent;
  return registry_->patience(ask);
}

}  // namespace layby::cache
