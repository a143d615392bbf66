// SPDX-License-Identifier: Apache-2.0
//
// RFC 9110 section 14: a 206 states where its bytes begin. A 200 brings the whole blob, even if
// a range was requested.

#include "upstream/blob_transfer.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "layby/http/range.h"
#include "upstream/failure.h"

namespace layby::upstream {
namespace {

// The limit of requests that one transfer has under way.
constexpr std::size_t kMostTries = 2;

}  // namespace

// One request for the blob.
class RegistryBlob::Try final : private ExchangeEvents {
 public:
  Try(RegistryBlob& blob, RequestSpec spec)
      : blob_(blob),
        is_hedge_(spec.fresh_connection),
        request_(blob.site_, std::move(spec), *this) {}

  bool is_hedge() const { return is_hedge_; }
  void pause() { request_.pause(); }
  void resume() { request_.resume(); }
  void fail(std::string_view reason) { request_.fail(ErrorCode::kCorrupt, reason); }

 private:
  void on_head(const Head& head) override { blob_.on_head(*this, head); }
  void on_body(std::string_view bytes) override { blob_.on_body(bytes); }
  void on_end(Status status) override { blob_.on_end(*this, std::move(status)); }

  RegistryBlob& blob_;
  const bool is_hedge_;
  AuthorizedRequest request_;
};

RegistryBlob::RegistryBlob(Site& site, const std::string& repository, const oci::Digest& digest,
                           const cache::BlobSpan& span, cache::BlobSink& sink)
    : site_(site), repository_(repository), digest_(digest), span_(span), sink_(sink) {
  send(false);
}

RegistryBlob::~RegistryBlob() = default;

void RegistryBlob::pause() {
  paused_ = true;
  for (const auto& request : tries_) request->pause();
}

void RegistryBlob::resume() {
  paused_ = false;
  for (const auto& request : tries_) request->resume();
}

bool RegistryBlob::hedge() {
  if (tries_.empty() || began_ || paused_) return false;
  if (tries_.size() == kMostTries) tries_.erase(tries_.begin());
  send(true);
  return true;
}

void RegistryBlob::send(bool is_hedge) {
  assert(!began_ && tries_.size() < kMostTries);
  RequestSpec spec = request_spec();
  spec.fresh_connection = is_hedge;
  tries_.push_back(std::make_unique<Try>(*this, std::move(spec)));
}

RequestSpec RegistryBlob::request_spec() const {
  RequestSpec spec;
  spec.repository = repository_;
  spec.path = "/blobs/" + digest_.str();
  spec.content_label = "blob " + digest_.str();
  spec.headers.push_back("Accept-Encoding: identity");
  spec.client = site_.told_client(sink_.clients());
  if (asks_range()) {
    spec.headers.push_back("Range: bytes=" + std::to_string(span_.offset) + "-" +
                           (span_.end ? std::to_string(*span_.end - 1) : ""));
  }
  spec.counter = &Counters::upstream_blob_gets;
  spec.stall_timeout = site_.options.stall_timeout;
  // The rate is judged over at least stall_timeout, because a blob may stall for so long.
  spec.floor = site_.options.floor;
  spec.floor.window = std::max(spec.floor.window, spec.stall_timeout);
  spec.rate_limited = true;
  spec.small_window = sink_.in_background();
  return spec;
}

RegistryBlob::Plan RegistryBlob::plan_of(const Head& head) const {
  if (head.status != 206) return {{0, head.content_length()}, head.content_length(), ""};
  if (!asks_range()) return {{}, {}, "answered with a range that wasn't asked for"};
  const auto value = head.headers.get("content-range");
  const auto range = value ? http::parse_content_range(*value) : std::nullopt;
  if (!range) return {{}, {}, "answered 206 without a Content-Range"};
  if (range->first != span_.offset) {
    return {{},
            {},
            "was asked for bytes from " + std::to_string(span_.offset) + " on, sent bytes from " +
                std::to_string(range->first) + " on"};
  }
  if (span_.end && range->last + 1 != *span_.end) {
    return {{},
            {},
            "was asked for bytes before " + std::to_string(*span_.end) + ", sent bytes before " +
                std::to_string(range->last + 1)};
  }
  return {{span_.offset, range->size_bytes}, span_.end ? span_.end : range->size_bytes, ""};
}

void RegistryBlob::on_head(Try& by, const Head& head) {
  assert(!began_);
  Plan plan = plan_of(head);
  if (!plan.wrong.empty()) return by.fail(plan.wrong);
  began_ = true;
  std::erase_if(tries_, [&by](const auto& one) { return one.get() != &by; });
  assert(tries_.size() == 1);  // Only `by` is left.
  end_ = plan.end;
  position_ = plan.start.offset;
  plan.start.by_hedge = by.is_hedge();
  sink_.on_blob_start(plan.start);
}

void RegistryBlob::on_body(std::string_view bytes) {
  assert(began_ && !paused_ && tries_.size() == 1);
  if (end_ && bytes.size() > *end_ - position_) {
    return tries_.front()->fail("sent more bytes than it announced");
  }
  position_ += bytes.size();
  sink_.on_blob_bytes(bytes);
}

void RegistryBlob::on_end(Try& by, Status status) {
  if (tries_.size() > 1 && !status.ok() && !cache::ends_hedges(status.error())) {
    // Another request may still be answered.
    std::erase_if(tries_, [&by](const auto& one) { return one.get() == &by; });
    return;
  }
  if (status.ok() && end_ && position_ != *end_) {
    status = failure(
        {site_.host, "GET " + repository_ + " blob " + digest_.str()}, ErrorCode::kUnavailable,
        "ended after " + std::to_string(position_) + " of " + std::to_string(*end_) + " bytes");
  }
  tries_.clear();
  sink_.on_blob_end(std::move(status));  // May destroy this transfer.
}

}  // namespace layby::upstream
