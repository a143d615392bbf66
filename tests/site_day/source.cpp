// SPDX-License-Identifier: Apache-2.0
//
// The way between a docker daemon and Layby takes a millisecond, and doesn't use the link.

#include "site_day/source.h"

#include <optional>
#include <utility>

namespace layby::site_day {
namespace {

constexpr std::chrono::milliseconds kAcrossTheRoom{1};

class DirectBlob final : public Operation, private cache::BlobSink {
 public:
  DirectBlob(cache::Upstream& registry, const std::string& repository, const oci::Digest& digest,
             std::function<void(Status)> done)
      : done_(std::move(done)), transfer_(registry.get_blob(repository, digest, 0, *this)) {}

 private:
  void on_blob_start(const cache::BlobStart&) override {}
  void on_blob_bytes(std::string_view) override {}
  void on_blob_end(Status status) override {
    const auto done = std::move(done_);
    done(std::move(status));  // May destroy this.
  }

  std::function<void(Status)> done_;
  std::unique_ptr<cache::BlobTransfer> transfer_;
};

// The cache's answer on the way to a docker daemon. The cache may answer inside the call.
template <typename T>
class Answer final : public Operation {
 public:
  using Done = std::function<void(T)>;

  Answer(Timers& timers, Done done) : timers_(timers), done_(std::move(done)) {}

  Done receive() {
    return [this](T answer) {
      coming_ = timers_.after(kAcrossTheRoom, [this, answer = std::move(answer)] {
        const Done done = std::move(done_);
        done(answer);  // May destroy this.
      });
    };
  }
  Handle asking;

 private:
  Timers& timers_;
  Done done_;
  Handle coming_;
};

// Reads a blob to its end as fast as the cache receives it.
class LaybyBlob final : public Operation, private cache::BlobReader::Listener {
 public:
  LaybyBlob(Timers& timers, std::function<void(Status)> done)
      : timers_(timers), done_(std::move(done)) {}

  void on_opened(Result<std::unique_ptr<cache::BlobReader>> opened) {
    if (!opened.ok()) return end(opened.error());
    reader_ = std::move(*opened);
    reader_->consumed(0);
    reader_->listen(this);
    on_readable();
  }
  Handle asking;

 private:
  void on_readable() override {
    reader_->consumed(reader_->readable_bytes());
    if (reader_->readable_bytes() == reader_->size_bytes()) end({});
  }
  void on_reader_failed(const Error& error) override { end(error); }
  void end(const Status& status) {
    if (coming_) return;
    coming_ = timers_.after(kAcrossTheRoom, [this, status] {
      const auto done = std::move(done_);
      done(status);  // May destroy this.
    });
  }

  Timers& timers_;
  std::function<void(Status)> done_;
  std::unique_ptr<cache::BlobReader> reader_;
  Handle coming_;
};

}  // namespace

Handle DirectSource::head(const std::string& repository, const std::string& tag,
                          Done<oci::Digest> done) {
  constexpr std::chrono::milliseconds kPatience{30'000};
  return registry_.head_manifest(
      repository, tag, kPatience, [done = std::move(done)](const auto& head) {
        done(head.ok() ? Result<oci::Digest>(*head->digest) : head.error());
      });
}

Handle DirectSource::get_manifest(const std::string& repository, const oci::Digest& digest,
                                  Done<cache::ManifestBody> done) {
  return registry_.get_manifest(repository, digest, std::move(done));
}

Handle DirectSource::fetch_blob(const std::string& repository, const oci::Digest& digest,
                                std::function<void(Status)> done) {
  return std::make_unique<DirectBlob>(registry_, repository, digest, std::move(done));
}

Handle LaybySource::head(const std::string& repository, const std::string& tag,
                         Done<oci::Digest> done) {
  auto answer = std::make_unique<Answer<Result<oci::Digest>>>(timers_, std::move(done));
  answer->asking = cache_.get_manifest(
      origin(), repository, tag, true,
      [receive = answer->receive()](const Result<cache::ManifestAnswer>& manifest) {
        receive(manifest.ok() ? Result<oci::Digest>(manifest->digest) : manifest.error());
      });
  return answer;
}

Handle LaybySource::get_manifest(const std::string& repository, const oci::Digest& digest,
                                 Done<cache::ManifestBody> done) {
  using Body = Result<cache::ManifestBody>;
  auto answer = std::make_unique<Answer<Body>>(timers_, std::move(done));
  answer->asking = cache_.get_manifest(
      origin(), repository, digest, false,
      [receive = answer->receive()](const Result<cache::ManifestAnswer>& manifest) {
        if (!manifest.ok()) return receive(manifest.error());
        receive(cache::ManifestBody{*manifest->bytes, manifest->media_type});
      });
  return answer;
}

Handle LaybySource::fetch_blob(const std::string& repository, const oci::Digest& digest,
                               std::function<void(Status)> done) {
  auto blob = std::make_unique<LaybyBlob>(timers_, std::move(done));
  blob->asking = cache_.open_blob(origin(), repository, digest, [blob = blob.get()](auto opened) {
    blob->on_opened(std::move(opened));
  });
  return blob;
}

}  // namespace layby::site_day
