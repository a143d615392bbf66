// SPDX-License-Identifier: Apache-2.0
//
// An Upstream that the test plays. FakeUpstream stores every request, and calls back only inside
// the test's call that answers a request. A request outlives its handle, so a test can see that
// the request was cancelled. The test fails if it answers an ended or cancelled request, or sends
// bytes to a paused sink. There is no loop and no thread.
//
//   FakeUpstream upstream;
//   ... the code under test starts a blob ...
//   auto blob = upstream.pending().front();
//   blob->start(0, 5);
//   blob->send("hello");
//   blob->end({});
//
// A hedge is a request too. start() on one request for a blob cancels the blob's other requests.

#ifndef LAYBY_TESTS_SUPPORT_FAKE_UPSTREAM_H_
#define LAYBY_TESTS_SUPPORT_FAKE_UPSTREAM_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "layby/cache/upstream.h"

namespace layby::testing {

enum class UpstreamKind {
  kManifestHead,
  kManifestGet,
  kBlobHead,
  kBlobGet,
  kTags,
  kReferrers,
  kPing
};

// One request and its answer. The public fields hold the request's arguments.
class UpstreamRequest {
 public:
  UpstreamKind kind = UpstreamKind::kManifestHead;
  std::string repository;
  std::string reference;                    // Tag or digest as text; empty for tags.
  std::uint64_t offset = 0;                 // kBlobGet
  std::optional<std::uint64_t> end_offset;  // kBlobGet; nullopt for the blob's end.
  std::chrono::milliseconds deadline{0};    // kManifestHead
  cache::TagPageRequest page;               // kTags
  std::string artifact_type;                // kReferrers
  cache::Askers askers;                     // Of on_behalf_of(); null for none.

  bool ended() const { return ended_; }          // The answer is complete.
  bool cancelled() const { return cancelled_; }  // The handle was destroyed before the end.
  bool pending() const { return !ended_ && !cancelled_; }
  bool paused() const { return paused_; }
  bool started() const { return started_; }
  bool was_sent() const { return sent_; }
  bool is_hedge() const { return is_hedge_; }
  bool lends_slot() const { return sink_->lends_slot(); }  // kBlobGet
  bool is_spare() const { return sink_->is_spare(); }      // kBlobGet
  std::vector<IpAddress> clients() const { return sink_->clients(); }

  // Each of the next functions answers one kind of request.
  void answer_manifest_head(Result<cache::ManifestHead> answer) { finish(std::move(answer)); }
  void answer_manifest(Result<cache::ManifestBody> answer) { finish(std::move(answer)); }
  void answer_blob_head(Result<cache::BlobHead> answer) { finish(std::move(answer)); }
  void answer_tags(Result<cache::TagPage> answer) { finish(std::move(answer)); }
  void answer_referrers(Result<std::string> answer) { finish(std::move(answer)); }
  void answer_ping(Status status) {
    if (!may_call("answer")) return;
    ended_ = true;
    const auto done = std::move(std::get<std::function<void(Status)>>(done_));
    done(std::move(status));
  }

  // Fails a request of any kind.
  void fail(Error error) {
    if (kind == UpstreamKind::kBlobGet) return end(std::move(error));
    std::visit([&](auto& done) { fail_with(done, std::move(error)); }, done_);
  }
  void fail(ErrorCode code, std::string message = "fake upstream") {
    fail(Error{code, std::move(message)});
  }

  // The next functions answer a kBlobGet, piece by piece.
  // The request leaves for upstream, after its wait for a slot. A test that needs no hedges may
  // leave out this call.
  void note_sent() {
    if (!may_call("send")) return;
    sent_ = true;
    sink_->on_blob_asked();
  }
  void start(std::uint64_t first, std::optional<std::uint64_t> size_bytes) {
    if (!may_call("start")) return;
    started_ = true;
    if (const auto race = race_.lock()) race->leave_only(*this);
    sink_->on_blob_start({first, size_bytes, is_hedge_});
  }
  void send(std::string_view bytes) {
    if (!may_call("send")) return;
    if (paused_ || !started_) ADD_FAILURE() << "send to a sink that is paused or not started";
    // The copy is freed after the call, so the sanitizers find a sink that keeps the view.
    const auto copy = std::make_unique<std::vector<char>>(bytes.begin(), bytes.end());
    sink_->on_blob_bytes({copy->data(), copy->size()});
  }
  void end(Status status) {
    if (!may_call("end")) return;
    ended_ = true;
    const auto race = race_.lock();
    const bool is_final = started_ || status.ok() || cache::ends_hedges(status.error());
    if (race && !is_final && race->goes_on()) return;
    if (race) race->leave_only(*this);
    sink_->on_blob_end(std::move(status));
  }

 private:
  friend class FakeUpstream;

  template <typename T>
  using Done = cache::Upstream::Done<T>;

  // The requests for one blob: the first request and its hedges, in order.
  struct Race {
    std::vector<std::shared_ptr<UpstreamRequest>> requests;

    void leave_only(const UpstreamRequest& winner) {
      for (const auto& request : requests) {
        if (request.get() != &winner && request->pending()) request->cancelled_ = true;
      }
    }
    bool goes_on() const {
      return std::any_of(requests.begin(), requests.end(),
                         [](const auto& request) { return request->pending(); });
    }
  };

  bool may_call(const char* what) const {
    if (!pending()) ADD_FAILURE() << what << " on a request that has ended or was cancelled";
    return pending();
  }

  template <typename T>
  void fail_with(Done<T>&, Error error) {
    finish(Result<T>(std::move(error)));
  }
  void fail_with(std::function<void(Status)>&, Error error) { answer_ping(std::move(error)); }
  void fail_with(std::monostate&, const Error&) { ADD_FAILURE() << "nobody waits for this"; }

  template <typename T>
  void finish(Result<T> answer) {
    if (!may_call("answer")) return;
    auto* waiting = std::get_if<Done<T>>(&done_);
    if (waiting == nullptr) {
      ADD_FAILURE() << "an answer of another kind than the request";
      return;
    }
    ended_ = true;
    const auto done = std::move(*waiting);
    done(std::move(answer));
  }

  std::variant<std::monostate, Done<cache::ManifestHead>, Done<cache::ManifestBody>,
               Done<cache::BlobHead>, Done<cache::TagPage>, Done<std::string>,
               std::function<void(Status)>>
      done_;
  cache::BlobSink* sink_ = nullptr;
  std::weak_ptr<Race> race_;
  bool is_hedge_ = false;
  bool sent_ = false;
  bool started_ = false;
  bool paused_ = false;
  bool ended_ = false;
  bool cancelled_ = false;
};

class FakeUpstream final : public cache::Upstream {
 public:
  using RequestPtr = std::shared_ptr<UpstreamRequest>;

  // All requests since the start, in order.
  const std::vector<RequestPtr>& requests() const { return requests_; }
  // The requests that wait for an answer, in order.
  std::vector<RequestPtr> pending() const {
    std::vector<RequestPtr> found;
    std::copy_if(requests_.begin(), requests_.end(), std::back_inserter(found),
                 [](const RequestPtr& request) { return request->pending(); });
    return found;
  }
  // The only pending request. If not exactly one request is pending, fails the test and returns a
  // cancelled request.
  RequestPtr only_pending() const {
    const auto waiting = pending();
    if (waiting.size() == 1) return waiting.front();
    ADD_FAILURE() << waiting.size() << " requests are pending, not one";
    auto dead = std::make_shared<UpstreamRequest>();
    dead->cancelled_ = true;
    return dead;
  }
  // pending() has no pings, so that only tests about pings need to know when pings come.
  const std::vector<RequestPtr>& pings() const { return pings_; }

  // Sets whether hedge() refuses, as it does when no slot is in use.
  void refuse_hedges(bool refuses) { refuses_hedges_ = refuses; }
  // Sets the answer of boxes().
  void set_boxes(std::vector<std::string> boxes) { boxes_ = std::move(boxes); }
  // Sets the answer of quota().
  void set_quota(std::optional<policy::QuotaState> quota) { quota_ = std::move(quota); }

  std::size_t count(UpstreamKind kind) const {
    return static_cast<std::size_t>(
        std::count_if(requests_.begin(), requests_.end(),
                      [&](const RequestPtr& request) { return request->kind == kind; }));
  }

  // The next functions answer or fail the first pending request.
  void answer_manifest_head(Result<cache::ManifestHead> answer) {
    first()->answer_manifest_head(std::move(answer));
  }
  void answer_manifest(Result<cache::ManifestBody> answer) {
    first()->answer_manifest(std::move(answer));
  }
  void fail(Error error) { first()->fail(std::move(error)); }

  using Upstream::on_behalf_of;
  FakeUpstream& on_behalf_of(cache::Askers askers) override {
    next_askers_ = std::move(askers);
    return *this;
  }
  Handle head_manifest(const std::string& repository, const oci::Reference& reference,
                       std::chrono::milliseconds deadline,
                       Done<cache::ManifestHead> done) override {
    auto request = add(UpstreamKind::kManifestHead, repository, oci::to_string(reference));
    request->deadline = deadline;
    request->done_ = std::move(done);
    return std::make_unique<Call>(request);
  }
  Handle get_manifest(const std::string& repository, const oci::Reference& reference,
                      Done<cache::ManifestBody> done) override {
    auto request = add(UpstreamKind::kManifestGet, repository, oci::to_string(reference));
    request->done_ = std::move(done);
    return std::make_unique<Call>(request);
  }
  Handle head_blob(const std::string& repository, const oci::Digest& digest,
                   Done<cache::BlobHead> done) override {
    auto request = add(UpstreamKind::kBlobHead, repository, digest.str());
    request->done_ = std::move(done);
    return std::make_unique<Call>(request);
  }
  std::unique_ptr<cache::BlobTransfer> get_blob(const std::string& repository,
                                                const oci::Digest& digest,
                                                const cache::BlobSpan& span,
                                                cache::BlobSink& sink) override {
    auto request = add(UpstreamKind::kBlobGet, repository, digest.str());
    request->offset = span.offset;
    request->end_offset = span.end;
    request->sink_ = &sink;
    return std::make_unique<Transfer>(*this, request);
  }
  Handle get_tags(const std::string& repository, const cache::TagPageRequest& page,
                  Done<cache::TagPage> done) override {
    auto request = add(UpstreamKind::kTags, repository, "");
    request->page = page;
    request->done_ = std::move(done);
    return std::make_unique<Call>(request);
  }
  Handle get_referrers(const std::string& repository, const oci::Digest& digest,
                       const std::string& artifact_type, Done<std::string> done) override {
    auto request = add(UpstreamKind::kReferrers, repository, digest.str());
    request->artifact_type = artifact_type;
    request->done_ = std::move(done);
    return std::make_unique<Call>(request);
  }
  Handle ping(std::chrono::milliseconds deadline, std::function<void(Status)> done) override {
    auto request = make(UpstreamKind::kPing, "", "");
    request->deadline = deadline;
    request->done_ = std::move(done);
    pings_.push_back(request);
    return std::make_unique<Call>(request);
  }
  std::optional<policy::QuotaState> quota() const override { return quota_; }
  std::vector<std::string> boxes() const override { return boxes_; }

 private:
  static void cancel(UpstreamRequest& request) {
    if (request.pending()) request.cancelled_ = true;
    request.done_ = std::monostate{};  // Destroys the callback with its handle.
  }

  class Call final : public Operation {
   public:
    explicit Call(RequestPtr request) : request_(std::move(request)) {}
    ~Call() override { cancel(*request_); }

   private:
    RequestPtr request_;
  };

  class Transfer final : public cache::BlobTransfer {
   public:
    Transfer(FakeUpstream& upstream, const RequestPtr& request) : upstream_(upstream) {
      join(request);
    }
    ~Transfer() override {
      for (const RequestPtr& request : race_->requests) cancel(*request);
    }
    void pause() override {
      for (const RequestPtr& request : race_->requests) request->paused_ = true;
    }
    void resume() override {
      for (const RequestPtr& request : race_->requests) request->paused_ = false;
    }
    bool hedge() override {
      const UpstreamRequest& first = *race_->requests.front();
      if (upstream_.refuses_hedges_ || !first.sent_ || first.paused_ || !may_hedge()) return false;
      auto request = upstream_.add(first.kind, first.repository, first.reference);
      request->offset = first.offset;
      request->end_offset = first.end_offset;
      request->sink_ = first.sink_;
      request->is_hedge_ = true;
      end_oldest_of_two();
      join(request);
      return true;
    }

   private:
    void join(const RequestPtr& request) {
      request->race_ = race_;
      race_->requests.push_back(request);
    }
    bool may_hedge() const {
      const auto& all = race_->requests;
      return race_->goes_on() && std::none_of(all.begin(), all.end(), [](const auto& request) {
               return request->started();
             });
    }
    void end_oldest_of_two() {
      const auto& all = race_->requests;
      const auto is_pending = [](const RequestPtr& request) { return request->pending(); };
      if (std::count_if(all.begin(), all.end(), is_pending) < 2) return;
      (*std::find_if(all.begin(), all.end(), is_pending))->cancelled_ = true;
    }

    FakeUpstream& upstream_;
    const std::shared_ptr<UpstreamRequest::Race> race_ = std::make_shared<UpstreamRequest::Race>();
  };

  RequestPtr first() const {
    const auto waiting = pending();
    return waiting.empty() ? only_pending() : waiting.front();
  }
  static RequestPtr make(UpstreamKind kind, const std::string& repository, std::string reference) {
    auto request = std::make_shared<UpstreamRequest>();
    request->kind = kind;
    request->repository = repository;
    request->reference = std::move(reference);
    return request;
  }
  RequestPtr add(UpstreamKind kind, const std::string& repository, std::string reference) {
    requests_.push_back(make(kind, repository, std::move(reference)));
    requests_.back()->askers = std::exchange(next_askers_, nullptr);
    return requests_.back();
  }

  cache::Askers next_askers_;
  std::vector<RequestPtr> requests_;
  std::vector<RequestPtr> pings_;
  std::optional<policy::QuotaState> quota_;
  std::vector<std::string> boxes_;
  bool refuses_hedges_ = false;
};

}  // namespace layby::testing

#endif  // LAYBY_TESTS_SUPPORT_FAKE_UPSTREAM_H_
