// SPDX-License-Identifier: Apache-2.0
//
// A source never answers inside the call that asks, so the pull has the handle of a request
// before the answer comes.

#include "site_day/pull.h"

#include <utility>

namespace layby::site_day {
namespace {

// The docker daemon's default of max-concurrent-downloads.
constexpr std::size_t kBlobsAtATime = 3;
constexpr std::uint64_t kUnpackedBytesPerMs = 5'000;

}  // namespace

Pull::Pull(Source& source, Machine& machine, ImageName name, Events events, Manner manner)
    : source_(source),
      machine_(machine),
      name_(std::move(name)),
      events_(std::move(events)),
      manner_(manner) {
  request_ = source_.head(name_.repository, name_.tag,
                          [this](const Result<oci::Digest>& digest) { on_head(digest); });
}

void Pull::on_head(const Result<oci::Digest>& digest) {
  if (!digest.ok()) return end(digest.error());
  events_.on_named(*digest);
  get_manifest(*digest);
}

void Pull::get_manifest(const oci::Digest& digest) {
  const auto known = machine_.manifests.find(digest);
  if (known != machine_.manifests.end()) return take_manifest(digest, known->second);
  request_ = source_.get_manifest(name_.repository, digest,
                                  [this, digest](const Result<cache::ManifestBody>& body) {
                                    if (!body.ok()) return end(body.error());
                                    take_manifest(digest, *body);
                                  });
}

void Pull::take_manifest(const oci::Digest& digest, const cache::ManifestBody& body) {
  machine_.manifests.insert_or_assign(digest, body);
  const auto manifest = oci::parse_manifest(body.bytes, body.media_type);
  if (!manifest.ok()) return end(manifest.error());
  if (!manifest->manifests.empty()) return get_manifest(manifest->manifests.front().digest);
  want(*manifest->config);
  for (const oci::Descriptor& layer : manifest->layers) want(layer);
  fetch_more();
}

void Pull::want(const oci::Descriptor& blob) {
  if (!machine_.blobs.contains(blob.digest)) wanted_.push_back(blob);
}

void Pull::fetch_more() {
  const std::size_t at_a_time = manner_.timers != nullptr ? 1 : kBlobsAtATime;
  while (!wanted_.empty() && coming_.size() < at_a_time) {
    const oci::Descriptor blob = wanted_.front();
    wanted_.pop_front();
    coming_[blob.digest] =
        source_.fetch_blob(name_.repository, blob.digest,
                           [this, blob](const Status& status) { on_blob(blob, status); });
  }
  if (wanted_.empty() && coming_.empty()) end({});
}

void Pull::on_blob(const oci::Descriptor& blob, const Status& status) {
  const auto over = coming_.extract(blob.digest);
  if (!status.ok()) return end(status);
  machine_.blobs.insert(blob.digest);
  if (++fetched_ >= manner_.off_after) return end(Error{ErrorCode::kCancelled, "switched off"});
  if (manner_.timers == nullptr) return fetch_more();
  unpacking_ = manner_.timers->after(
      std::chrono::milliseconds(static_cast<std::int64_t>(blob.size_bytes / kUnpackedBytesPerMs)),
      [this] {
        const Handle unpacked = std::move(unpacking_);
        fetch_more();
      });
}

void Pull::end(Status status) {
  wanted_.clear();
  coming_.clear();
  const auto on_over = std::move(events_.on_over);
  on_over(std::move(status));  // May destroy this pull.
}

}  // namespace layby::site_day
