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

RegistryBlob::RegistryBlob(Site& site, const std::string& repository, const oci::Digest& digest,
                           std::uint64_t offset, cache::BlobSink& sink)
    : site_(site),
      repository_(repository),
      digest_(digest),
      offset_(offset),
      sink_(sink),
      slot_(site.blob_slots.ask(*this)) {}

void RegistryBlob::pause() {
  paused_ = true;
  if (slot_ && sink_.lends_slot()) slot_->lend();
  follow_slot();
}

void RegistryBlob::resume() {
  paused_ = false;
  if (slot_) slot_->take_back();
  follow_slot();
}

void RegistryBlob::on_slot() {
  assert(slot_ && slot_->in_use());
  if (!request_) {
    ExchangeEvents& events = *this;
    request_ = std::make_unique<AuthorizedRequest>(site_, request_spec(), events);
  }
  follow_slot();
}

void RegistryBlob::follow_slot() {
  if (!request_ || !slot_) return;
  paused_ || !slot_->in_use() ? request_->pause() : request_->resume();
}

RequestSpec RegistryBlob::request_spec() const {
  RequestSpec spec;
  spec.repository = repository_;
  spec.path = "/blobs/" + digest_.str();
  spec.content_label = "blob " + digest_.str();
  spec.headers.push_back("Accept-Encoding: identity");
  if (offset_ > 0) spec.headers.push_back("Range: bytes=" + std::to_string(offset_) + "-");
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
  if (head.status != 206) return {{0, head.content_length()}, ""};
  if (offset_ == 0) return {{}, "answered with a range that wasn't asked for"};
  const auto value = head.headers.get("content-range");
  const auto range = value ? http::parse_content_range(*value) : std::nullopt;
  if (!range) return {{}, "answered 206 without a Content-Range"};
  if (range->first != offset_) {
    return {{},
            "was asked for bytes from " + std::to_string(offset_) + " on, sent bytes from " +
                std::to_string(range->first) + " on"};
  }
  return {{offset_, range->size_bytes}, ""};
}

void RegistryBlob::on_head(const Head& head) {
  const Plan plan = plan_of(head);
  if (!plan.wrong.empty()) return request_->fail(ErrorCode::kCorrupt, plan.wrong);
  size_bytes_ = plan.start.size_bytes;
  position_ = plan.start.offset;
  sink_.on_blob_start(plan.start);
}

void RegistryBlob::on_body(std::string_view bytes) {
  assert(!paused_ && slot_ && slot_->in_use());
  position_ += bytes.size();
  sink_.on_blob_bytes(bytes);
}

void RegistryBlob::on_end(Status status) {
  assert(slot_);
  if (status.ok() && size_bytes_ && position_ != *size_bytes_) {
    status = failure({site_.host, "GET " + repository_ + " blob " + digest_.str()},
                     ErrorCode::kUnavailable,
                     "ended after " + std::to_string(position_) + " of " +
                         std::to_string(*size_bytes_) + " bytes");
  }
  slot_.reset();
  sink_.on_blob_end(std::move(status));  // May destroy this transfer.
}

}  // namespace layby::upstream
