// SPDX-License-Identifier: Apache-2.0
//
// A fill leaves the table the moment it is over, so that the next asker finds the
// stored blob or begins a new fill; it is destroyed a turn later, for it is over
// inside one of its own callbacks.

#include "cache/fills.h"

#include <utility>

#include "cache/request.h"

namespace layby::cache {
namespace {

class StoredReader final : public BlobReader {
 public:
  explicit StoredReader(StoredBlob blob) : blob_(std::move(blob)) {}
  int fd() const override { return blob_.file->fd(); }
  std::uint64_t size_bytes() const override { return blob_.size_bytes; }
  std::uint64_t readable_bytes() const override { return blob_.size_bytes; }
  bool from_fill() const override { return false; }
  void listen(Listener*) override {}

 private:
  const StoredBlob blob_;
};

}  // namespace

Fills::Fills(const Rules& rules, Store& store, Timers& timers, Counters& counters)
    : context_{rules, store, timers, counters,
               [this](std::uint64_t new_bytes) { return has_room(new_bytes); }} {}

Handle Fills::open(const Origin& origin, const std::string& repository, const oci::Digest& digest,
                   Cache::Done<std::unique_ptr<BlobReader>> done) {
  if (const auto at = fills_.find(digest); at != fills_.end()) {
    count(context_.counters.blob_shared);
    return at->second->open(std::move(done));
  }
  if (auto blob = context_.store.open_blob(digest)) {
    count(context_.counters.blob_hits);
    done(std::unique_ptr<BlobReader>(std::make_unique<StoredReader>(std::move(*blob))));
    return nullptr;
  }
  count(context_.counters.blob_misses);
  return start(origin, repository, digest).open(std::move(done));
}

Handle Fills::head(const Origin& origin, const std::string& repository, const oci::Digest& digest,
                   Cache::Done<BlobHead> done) {
  if (const auto at = fills_.find(digest); at != fills_.end() && at->second->size_bytes()) {
    done(BlobHead{at->second->size_bytes()});
    return nullptr;
  }
  if (const auto blob = context_.store.open_blob(digest)) {
    count(context_.counters.blob_hits);
    done(BlobHead{blob->size_bytes});
    return nullptr;
  }
  return request<BlobHead>(
      context_.rules.retry, context_.timers, context_.counters,
      [&upstream = *origin.upstream, repository, digest](auto answer) {
        return upstream.head_blob(repository, digest, std::move(answer));
      },
      std::move(done));
}

std::vector<FillStatus> Fills::status() const {
  std::vector<FillStatus> all;
  all.reserve(fills_.size());
  for (const auto& [digest, fill] : fills_) all.push_back(fill->status());
  return all;
}

bool Fills::has_room(std::uint64_t new_bytes) const {
  const StoreUsage usage = context_.store.usage();
  policy::SpaceUse use{usage.blob_bytes, 0, usage.disk_free_bytes, usage.disk_total_bytes};
  for (const auto& [digest, fill] : fills_) use.reserved_bytes += fill->missing_bytes();
  return policy::has_room(context_.rules.space, use, new_bytes);
}

Fill& Fills::start(const Origin& origin, const std::string& repository, const oci::Digest& digest) {
  auto on_over = [this, digest](const Status&) {
    const auto at = fills_.find(digest);
    over_.push_back(std::move(at->second));
    fills_.erase(at);
    sweep_ = context_.timers.after(std::chrono::milliseconds(0), [this] { over_.clear(); });
  };
  auto fill = std::make_unique<Fill>(context_, origin, repository, digest, std::move(on_over));
  Fill& started = *fill;
  fills_.emplace(digest, std::move(fill));
  started.start();
  return started;
}

}  // namespace layby::cache
