// SPDX-License-Identifier: Apache-2.0
//
// The registry is asked after any error of the parent. The parent may not serve the
// repository, may not know the registry, or may be wrong about which content exists. When the
// registry's why_not() gives a reason, the registry isn't asked and the reason is the answer.
// Invariants: a caller is answered once; the registry isn't asked after the parent's blob began.

#include "layby/cache/failover.h"

#include <cassert>
#include <utility>

#include "layby/base/log.h"

namespace layby::cache {

class Failover::Either final : public Operation {
 public:
  Either(Upstream& registry, Question question, Done<Answer> done)
      : registry_(registry), question_(std::move(question)), done_(std::move(done)) {}

  void start(Upstream& parent) {
    assert(!request_);
    request_ = put_to(parent, [this](Result<Answer> answer) {
      if (answer.ok()) return finish(std::move(answer));
      log::debug("parent: {}", answer.error().message);
      if (const auto refused = registry_.why_not(question_.ask)) return finish(*refused);
      request_ = put_to(registry_, [this](Result<Answer> last) { finish(std::move(last)); });
    });
  }

 private:
  Handle put_to(Upstream& upstream, Done<Answer> done) const {
    return question_.put(upstream, question_.deadline / 2, std::move(done));
  }
  void finish(Result<Answer> answer) {
    assert(done_);
    const auto done = std::move(done_);  // `done` may destroy this.
    done(std::move(answer));
  }

  Upstream& registry_;
  const Question question_;
  Done<Answer> done_;
  Handle request_;
};

class Failover::Transfer final : public BlobTransfer, private BlobSink {
 public:
  using Start = std::function<std::unique_ptr<BlobTransfer>(Upstream&, BlobSink&)>;
  Transfer(Upstream& parent, Upstream& registry, Start start, BlobSink& sink)
      : registry_(&registry), start_(std::move(start)), sink_(sink) {
    inner_ = start_(parent, *this);
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

 private:
  void on_blob_start(const BlobStart& start) override {
    registry_ = nullptr;
    sink_.on_blob_start(start);
  }
  void on_blob_bytes(std::string_view bytes) override {
    assert(registry_ == nullptr);
    sink_.on_blob_bytes(bytes);
  }
  bool in_background() const override { return sink_.in_background(); }
  void on_blob_end(Status status) override {
    Upstream* next = std::exchange(registry_, nullptr);
    if (status.ok() || next == nullptr) return sink_.on_blob_end(std::move(status));
    log::debug("parent: {}", status.error().message);
    if (const auto refused = next->why_not(Ask::kBlob)) return sink_.on_blob_end(*refused);
    inner_ = start_(*next, *this);
    if (paused_) inner_->pause();
  }

  Upstream* registry_;  // Null when the registry must not be asked any more.
  const Start start_;
  BlobSink& sink_;
  bool paused_ = false;
  std::unique_ptr<BlobTransfer> inner_;
};

Handle Failover::relay(Question question, Done<Answer> done) {
  if (parent_->why_not(question.ask)) {
    return question.put(*registry_, question.deadline, std::move(done));
  }
  auto both = std::make_unique<Either>(*registry_, std::move(question), std::move(done));
  both->start(*parent_);
  return both;
}

std::unique_ptr<BlobTransfer> Failover::get_blob(const std::string& repository,
                                                 const oci::Digest& digest, std::uint64_t offset,
                                                 BlobSink& sink) {
  if (parent_->why_not(Ask::kBlob)) return registry_->get_blob(repository, digest, offset, sink);
  return std::make_unique<Transfer>(
      *parent_, *registry_,
      [repository, digest, offset](Upstream& upstream, BlobSink& into) {
        return upstream.get_blob(repository, digest, offset, into);
      },
      sink);
}

Handle Failover::ping(std::chrono::milliseconds deadline, std::function<void(Status)> done) {
  return registry_->ping(deadline, std::move(done));
}

std::optional<policy::QuotaState> Failover::quota() const { return registry_->quota(); }

std::optional<Error> Failover::why_not(Ask ask) {
  if (!parent_->why_not(ask)) return std::nullopt;
  return registry_->why_not(ask);
}

// The parent's patience comes first: content from the parent costs this box no pull.
Patience Failover::patience(Ask ask) const {
  Patience of_parent = parent_->patience(ask);
  if (of_parent.wait.count() == 0) return of_parent;
  return registry_->patience(ask);
}

}  // namespace layby::cache
