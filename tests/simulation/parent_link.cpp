// SPDX-License-Identifier: Apache-2.0
//
// The parent's server answers 404 for what doesn't exist, 403 for what is denied, and 503 for
// every other error.

#include "simulation/parent_link.h"

#include <functional>
#include <utility>

#include "layby/base/lifetime.h"
#include "server/forwarded.h"
#include "simulation/raced_transfer.h"
#include "simulation/reading.h"
#include "simulation/transfer_watch.h"

namespace layby::simulation {
namespace {

constexpr milliseconds kOverTheLan{2};

Error over_http(const Error& error) {
  if (cache::is_refusal(error)) return error;
  return {ErrorCode::kUnavailable, "the parent: " + error.message};
}

// The parent's server sends Age, and Warning 110 with a stale answer.
cache::AnswerAge age_of(const cache::ManifestAnswer& answer) {
  return {std::max(answer.age.value_or(seconds(0)), seconds(0)),
          answer.source == cache::ManifestSource::kStale};
}

Error gone() { return {ErrorCode::kUnavailable, "the parent is gone"}; }
Error timed_out() { return {ErrorCode::kTimedOut, "the parent did not answer in time"}; }

}  // namespace

// One request, which ends with the answer, at the deadline, or at a crash of the parent, whichever
// comes first.
template <typename T>
class ParentLink::Question final : public Operation {
 public:
  using Ask = std::function<Handle(cache::Cache&, Done<T>)>;
  Question(Box& parent, Timers& timers, milliseconds deadline, Ask ask, Done<T> done)
      : parent_(parent), timers_(timers), done_(std::move(done)) {
    deadline_ = timers_.after(deadline, [this] { answer(timed_out()); });
    going_ = timers_.after(kOverTheLan, [this, ask = std::move(ask)] {
      const auto then = ask;
      const Handle over = std::move(going_);
      arrive(then);
    });
  }

 private:
  void arrive(const Ask& ask) {
    if (!parent_.up()) return answer(gone());
    crash_ = parent_.on_crash([this] {
      asking_.reset();
      answer_soon(gone());
    });
    const auto life = life_.watch();
    Handle asking = ask(parent_.cache(), [this](Result<T> result) {
      answer_soon(result.ok() ? std::move(result) : Result<T>(over_http(result.error())));
    });
    if (!life.ended()) asking_ = std::move(asking);
  }
  // Answers at a later turn, because the parent may be inside the call that asks, or inside its
  // crash.
  void answer_soon(Result<T> result) {
    crash_.reset();
    coming_ = timers_.after(kOverTheLan,
                            [this, result = std::move(result)] { answer(Result<T>(result)); });
  }
  void answer(Result<T> result) {
    for (Handle* rest : {&deadline_, &going_, &crash_, &asking_, &coming_}) rest->reset();
    const auto done = std::move(done_);
    done(std::move(result));  // May destroy this.
  }

  Box& parent_;
  Timers& timers_;
  Done<T> done_;
  Handle deadline_;
  Handle going_;
  Handle crash_;
  Handle asking_;
  Handle coming_;
  Lifetime life_;
};

class ParentLink::Transfer final : public BlobRequest, private cache::BlobReader::Listener {
 public:
  Transfer(ParentLink& link, std::string repository, const oci::Digest& digest,
           const cache::BlobSpan& span, cache::BlobSink& sink)
      : link_(link),
        repository_(std::move(repository)),
        digest_(digest),
        offset_(span.offset),
        end_(span.end),
        sink_(sink),
        client_(link.counted(sink.clients())),
        watch_(link.timers_, link.clock_, [this] { end(timed_out()); }) {
    watch_.begin();
    going_ = link_.timers_.after(kOverTheLan, [this] { arrive(); });
  }

  void pause() override {
    paused_ = true;
    watch_.pause();
  }
  void resume() override {
    paused_ = false;
    watch_.resume();
    go_on_soon();
  }

 private:
  void arrive() {
    const Handle over = std::move(going_);
    Box& parent = link_.parent_;
    if (!parent.up()) return end(gone());
    crash_ = parent.on_crash([this] { lose(gone()); });
    parent.note_want(digest_.str());
    asking_ = parent.cache().open_blob(
        parent.origin(), repository_, digest_,
        [this](Result<std::unique_ptr<cache::BlobReader>> opened) {
          if (!opened.ok()) return lose(over_http(opened.error()));
          reader_ = std::move(*opened);
          const std::uint64_t end = end_.value_or(reader_->size_bytes());
          if (offset_ < end) reader_->will_read(offset_, end);
          reader_->listen(this);
          go_on_soon();
        },
        client_);
  }
  // Ends the transfer at a later turn, because the parent is in the middle of its own work.
  void lose(Error error) {
    lost_ = std::move(error);
    reader_.reset();
    crash_.reset();
    go_on_soon();
  }
  void on_readable() override { go_on_soon(); }
  void on_reader_failed(const Error& error) override {
    if (!lost_) lost_ = over_http(error);
    go_on_soon();
  }

  void go_on_soon() {
    if (going_) return;
    going_ = link_.timers_.after(kOverTheLan, [this] {
      const Handle over = std::move(going_);
      go_on();
    });
  }
  void go_on() {
    const auto life = life_.watch();
    if (reader_ && !started_) {
      started_ = true;
      watch_.begin_body();
      if (offset_ > 0 && offset_ >= reader_->size_bytes()) {
        return end(Error{ErrorCode::kInvalid, "416"});
      }
      sink_.on_blob_start({offset_, reader_->size_bytes()});
      if (life.ended()) return;
    }
    if (paused_) return;
    const bool was_lost = lost_.has_value();
    if (reader_ && offset_ < stop_at() && reader_->readable_bytes() > offset_) {
      const std::string bytes = read(*reader_, offset_, stop_at() - offset_);
      watch_.count(bytes.size());
      offset_ += bytes.size();
      reader_->consumed(offset_);
      sink_.on_blob_bytes(bytes);
      if (life.ended()) return;
    }
    if (reader_ && offset_ == stop_at()) return end({});
    if (was_lost && !paused_) end(*lost_);
  }
  std::uint64_t stop_at() const { return end_.value_or(reader_->size_bytes()); }
  void end(Status status) {
    going_.reset();
    watch_.end();
    crash_.reset();
    asking_.reset();
    reader_.reset();
    sink_.on_blob_end(std::move(status));  // May destroy this.
  }

  ParentLink& link_;
  const std::string repository_;
  const oci::Digest digest_;
  std::uint64_t offset_;
  const std::optional<std::uint64_t> end_;
  cache::BlobSink& sink_;
  const IpAddress client_;
  bool paused_ = false;
  bool started_ = false;
  std::optional<Error> lost_;
  Handle going_;
  TransferWatch watch_;
  Handle crash_;
  Handle asking_;
  std::unique_ptr<cache::BlobReader> reader_;
  Lifetime life_;
};

// The text is the value of X-Forwarded-For, which a Registry sends and a ClientLimits reads.
IpAddress ParentLink::counted(const std::vector<IpAddress>& clients) const {
  const bool is_told = !clients.empty() && clients.front() != IpAddress();
  const std::string text = is_told ? to_string(clients.front()) : "";
  const IpNetwork trusted = *parse_ip_network(to_string(address_));
  return counted_address(server::forwarded_client(address_, text, {trusted}));
}

IpAddress ParentLink::next_counted() {
  const cache::Askers askers = std::exchange(next_askers_, nullptr);
  return counted(askers ? *askers : std::vector<IpAddress>());
}

Handle ParentLink::manifest(const std::string& repository, const oci::Reference& reference,
                            bool head, milliseconds deadline, Done<cache::ManifestAnswer> done) {
  parent_.note_want(repository);
  return std::make_unique<Question<cache::ManifestAnswer>>(
      parent_, timers_, deadline,
      [this, repository, reference, head, client = next_counted()](cache::Cache& cache,
                                                                   auto answer) {
        return cache.get_manifest(parent_.origin(), repository, reference, head, std::move(answer),
                                  client);
      },
      std::move(done));
}

Handle ParentLink::head_manifest(const std::string& repository, const oci::Reference& reference,
                                 milliseconds deadline, Done<cache::ManifestHead> done) {
  return manifest(repository, reference, true, std::min(deadline, cache::kRequestTimeout),
                  [done = std::move(done)](const Result<cache::ManifestAnswer>& answer) {
                    if (!answer.ok()) return done(answer.error());
                    done(cache::ManifestHead{answer->digest, answer->media_type, answer->size_bytes,
                                             age_of(*answer)});
                  });
}

Handle ParentLink::get_manifest(const std::string& repository, const oci::Reference& reference,
                                Done<cache::ManifestBody> done) {
  return manifest(repository, reference, false, cache::kRequestTimeout,
                  [done = std::move(done)](const Result<cache::ManifestAnswer>& answer) {
                    if (!answer.ok()) return done(answer.error());
                    done(cache::ManifestBody{*answer->bytes, answer->media_type, age_of(*answer)});
                  });
}

Handle ParentLink::head_blob(const std::string& repository, const oci::Digest& digest,
                             Done<cache::BlobHead> done) {
  return std::make_unique<Question<cache::BlobHead>>(
      parent_, timers_, cache::kRequestTimeout,
      [this, repository, digest, client = next_counted()](cache::Cache& cache, auto answer) {
        return cache.head_blob(parent_.origin(), repository, digest, std::move(answer), client);
      },
      std::move(done));
}

std::unique_ptr<cache::BlobTransfer> ParentLink::get_blob(const std::string& repository,
                                                          const oci::Digest& digest,
                                                          const cache::BlobSpan& span,
                                                          cache::BlobSink& sink) {
  return std::make_unique<RacedTransfer>(
      [this, repository, digest, span](cache::BlobSink& into) {
        return std::make_unique<Transfer>(*this, repository, digest, span, into);
      },
      sink);
}

Handle ParentLink::get_tags(const std::string& repository, const cache::TagPageRequest& page,
                            Done<cache::TagPage> done) {
  return std::make_unique<Question<cache::TagPage>>(
      parent_, timers_, cache::kRequestTimeout,
      [this, repository, page, client = next_counted()](cache::Cache& cache, auto answer) {
        return cache.get_tags(parent_.origin(), repository, page, std::move(answer), client);
      },
      std::move(done));
}

Handle ParentLink::get_referrers(const std::string& repository, const oci::Digest& digest,
                                 const std::string& artifact_type, Done<std::string> done) {
  return std::make_unique<Question<std::string>>(
      parent_, timers_, cache::kRequestTimeout,
      [this, repository, digest, artifact_type, client = next_counted()](cache::Cache& cache,
                                                                         auto answer) {
        return cache.get_referrers(parent_.origin(), repository, digest, artifact_type,
                                   std::move(answer), client);
      },
      std::move(done));
}

Handle ParentLink::ping(milliseconds deadline, std::function<void(Status)> done) {
  return std::make_unique<Question<bool>>(
      parent_, timers_, deadline,
      [](cache::Cache&, auto answer) -> Handle {
        answer(true);
        return nullptr;
      },
      [done = std::move(done)](const Result<bool>& answer) {
        done(answer.ok() ? Status() : Status(answer.error()));
      });
}

}  // namespace layby::simulation
