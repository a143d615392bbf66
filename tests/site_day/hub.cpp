// SPDX-License-Identifier: Apache-2.0
//
// The hub decides an answer at the time of the request, and sends the answer a round trip later.

#include "site_day/hub.h"

#include <memory>
#include <utility>

namespace layby::site_day {
namespace {

constexpr std::uint64_t kLimit = 100;
constexpr std::chrono::seconds kWindow{6 * 3600};
constexpr std::chrono::milliseconds kRoundTrip{40};

Error not_found(const std::string& what) { return {ErrorCode::kNotFound, what + ": not found"}; }

}  // namespace

class Hub::Transfer final : public cache::BlobTransfer {
 public:
  Transfer(Hub& hub, const std::string* bytes, const cache::BlobSpan& span, cache::BlobSink& sink)
      : link_(hub.link_), flow_(std::make_shared<Link::Flow>()) {
    flow_->sink = &sink;
    flow_->bytes = bytes;
    flow_->sent = static_cast<std::size_t>(span.offset);
    if (span.end) flow_->end = static_cast<std::size_t>(*span.end);
    waiting_ = hub.timers_.after(kRoundTrip, [this] { begin(); });
  }
  ~Transfer() override { flow_->sink = nullptr; }

  void pause() override { flow_->paused = true; }
  void resume() override {
    flow_->paused = false;
    link_.go_on();
  }
  bool hedge() override { return false; }  // The hub of a day hangs on no request.

 private:
  void begin() {
    const std::shared_ptr<Link::Flow> flow = flow_;  // The sink may destroy this transfer.
    Link& link = link_;
    if (flow->bytes == nullptr) return flow->sink->on_blob_end(not_found("a blob"));
    flow->sink->on_blob_start({flow->sent, flow->bytes->size()});
    if (flow->sink != nullptr) link.add(flow);
  }

  Link& link_;
  const std::shared_ptr<Link::Flow> flow_;
  Handle waiting_;
};

std::uint64_t Hub::left() {
  const SteadyTime now = clock_.steady_now();
  while (!counted_.empty() && counted_.front() <= now - kWindow) counted_.pop_front();
  return kLimit - counted_.size();
}

template <typename T>
Handle Hub::answer(Result<T> with, Done<T> done) {
  const policy::QuotaState stated{
      {kLimit, kWindow}, {left(), kWindow}, "192.0.2.1", clock_.wall_now()};
  return timers_.after(kRoundTrip,
                       [this, stated, with = std::move(with), done = std::move(done)]() mutable {
                         quota_ = stated;
                         done(std::move(with));
                       });
}

const testing::TestManifest* Hub::find(const std::string& repository,
                                       const oci::Reference& reference) const {
  if (const auto* digest = std::get_if<oci::Digest>(&reference)) {
    return images_.find_manifest(*digest);
  }
  const auto digest = images_.find_tag({repository, std::get<oci::Tag>(reference)});
  return digest ? images_.find_manifest(*digest) : nullptr;
}

Handle Hub::head_manifest(const std::string& repository, const oci::Reference& reference,
                          std::chrono::milliseconds, Done<cache::ManifestHead> done) {
  const auto* manifest = find(repository, reference);
  if (manifest == nullptr) {
    return answer<cache::ManifestHead>(not_found(repository), std::move(done));
  }
  return answer<cache::ManifestHead>(
      cache::ManifestHead{manifest->digest, manifest->media_type, manifest->bytes.size()},
      std::move(done));
}

Handle Hub::get_manifest(const std::string& repository, const oci::Reference& reference,
                         Done<cache::ManifestBody> done) {
  const auto* manifest = find(repository, reference);
  if (manifest == nullptr) {
    return answer<cache::ManifestBody>(not_found(repository), std::move(done));
  }
  if (left() == 0) {
    return answer<cache::ManifestBody>(
        Error{ErrorCode::kThrottled, "toomanyrequests: the pull limit is used up"},
        std::move(done));
  }
  counted_.push_back(clock_.steady_now());
  ++pulls_;
  ++manifest_gets_[manifest->digest];
  manifest_bytes_ += manifest->bytes.size();
  return answer<cache::ManifestBody>(cache::ManifestBody{manifest->bytes, manifest->media_type},
                                     std::move(done));
}

Handle Hub::head_blob(const std::string&, const oci::Digest& digest, Done<cache::BlobHead> done) {
  const std::string* bytes = images_.find_blob(digest);
  Result<cache::BlobHead> head = not_found(digest.str());
  if (bytes != nullptr) head = cache::BlobHead{bytes->size()};
  return timers_.after(kRoundTrip, [head, done = std::move(done)] { done(head); });
}

std::unique_ptr<cache::BlobTransfer> Hub::get_blob(const std::string&, const oci::Digest& digest,
                                                   const cache::BlobSpan& span,
                                                   cache::BlobSink& sink) {
  ++blob_gets_[digest];
  return std::make_unique<Transfer>(*this, images_.find_blob(digest), span, sink);
}

Handle Hub::get_tags(const std::string& repository, const cache::TagPageRequest&,
                     Done<cache::TagPage> done) {
  return timers_.after(kRoundTrip,
                       [repository, done = std::move(done)] { done(not_found(repository)); });
}

Handle Hub::get_referrers(const std::string&, const oci::Digest& digest, const std::string&,
                          Done<std::string> done) {
  return timers_.after(kRoundTrip,
                       [digest, done = std::move(done)] { done(not_found(digest.str())); });
}

Handle Hub::ping(std::chrono::milliseconds, std::function<void(Status)> done) {
  return timers_.after(kRoundTrip, [done = std::move(done)] { done({}); });
}

}  // namespace layby::site_day
