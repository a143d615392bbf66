// SPDX-License-Identifier: Apache-2.0
//
// Each request keeps its upstream alive. When the last request of a former upstream ends, the
// request gives the upstream to the graveyard.

#include "cache/current_upstream.h"

#include <cassert>
#include <utility>

#include "cache/guard_times.h"

namespace layby::cache {

using std::chrono::milliseconds;

// Keeps the upstream of a request alive until the request ends.
class CurrentUpstream::Stay {
 public:
  Stay(Graveyard& former, std::shared_ptr<Upstream> upstream)
      : former_(former), upstream_(std::move(upstream)) {
    assert(upstream_);
  }
  Stay(const Stay&) = delete;
  Stay& operator=(const Stay&) = delete;
  ~Stay() {
    if (upstream_.use_count() == 1) former_.bury(std::move(upstream_));
  }

 private:
  Graveyard& former_;
  std::shared_ptr<Upstream> upstream_;
};

class CurrentUpstream::Request final : public Operation {
 public:
  Request(Graveyard& former, std::shared_ptr<Upstream> upstream, Handle request)
      : stay_(former, std::move(upstream)), request_(std::move(request)) {}

 private:
  const Stay stay_;  // Ends after the request.
  const Handle request_;
};

class CurrentUpstream::Transfer final : public BlobTransfer {
 public:
  Transfer(Graveyard& former, std::shared_ptr<Upstream> upstream,
           std::unique_ptr<BlobTransfer> transfer)
      : stay_(former, std::move(upstream)), transfer_(std::move(transfer)) {
    assert(transfer_);
  }
  void pause() override { transfer_->pause(); }
  void resume() override { transfer_->resume(); }
  bool hedge() override { return transfer_->hedge(); }

 private:
  const Stay stay_;  // Ends after the transfer.
  const std::unique_ptr<BlobTransfer> transfer_;
};

// A transfer that was asked for after the removal of the upstream. The transfer fails a turn later.
class CurrentUpstream::NoTransfer final : public BlobTransfer {
 public:
  NoTransfer(Timers& timers, Error error, BlobSink& sink)
      : failing_(timers.after(milliseconds(0), [error = std::move(error), &sink] {
          sink.on_blob_end(error);  // May destroy this.
        })) {}
  void pause() override {}
  void resume() override {}
  bool hedge() override { return false; }

 private:
  const Handle failing_;
};

CurrentUpstream::CurrentUpstream(std::string name, Graveyard& former, Timers& timers)
    : name_(std::move(name)), former_(former), timers_(timers) {}

CurrentUpstream::~CurrentUpstream() = default;

void CurrentUpstream::replace(std::shared_ptr<Upstream> next) {
  assert(next.get() != this);
  if (upstream_ == next) return;
  if (upstream_) former_.bury(std::move(upstream_));
  upstream_ = std::move(next);
}

Handle CurrentUpstream::staying(Handle request) {
  return std::make_unique<Request>(former_, upstream_, std::move(request));
}

Handle CurrentUpstream::relay(Question question, Done<Answer> done) {
  if (upstream_) {
    Upstream& next = upstream_->on_behalf_of(question.askers);
    return staying(question.put(next, question.deadline, std::move(done)));
  }
  return timers_.after(milliseconds(0),
                       [done = std::move(done), error = removed()] { done(error); });
}

void CurrentUpstream::on_more_askers() {
  if (upstream_) upstream_->on_more_askers();
}

std::unique_ptr<BlobTransfer> CurrentUpstream::get_blob(const std::string& repository,
                                                        const oci::Digest& digest,
                                                        const BlobSpan& span, BlobSink& sink) {
  if (!upstream_) return std::make_unique<NoTransfer>(timers_, removed(), sink);
  return std::make_unique<Transfer>(former_, upstream_,
                                    upstream_->get_blob(repository, digest, span, sink));
}

Handle CurrentUpstream::ping(milliseconds deadline, std::function<void(Status)> done) {
  if (upstream_) return staying(upstream_->ping(deadline, std::move(done)));
  return timers_.after(milliseconds(0),
                       [done = std::move(done), error = removed()] { done(error); });
}

std::optional<policy::QuotaState> CurrentUpstream::quota() const {
  return upstream_ ? upstream_->quota() : std::nullopt;
}

std::vector<std::string> CurrentUpstream::boxes() const {
  return upstream_ ? upstream_->boxes() : std::vector<std::string>();
}

std::optional<Error> CurrentUpstream::why_not(Ask ask) {
  return upstream_ ? upstream_->why_not(ask) : removed();
}

Patience CurrentUpstream::patience(Ask ask) const {
  if (upstream_) return upstream_->patience(ask);
  return {kAskAgain, removed().message, true};
}

// `declined` says that another attempt is in vain.
Error CurrentUpstream::removed() const {
  Error error{ErrorCode::kUnavailable, name_ + ": it was removed from the configuration"};
  error.declined = true;
  return error;
}

}  // namespace layby::cache
