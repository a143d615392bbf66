// SPDX-License-Identifier: Apache-2.0

#include "simulation/client.h"

#include <optional>
#include <utility>

#include "layby/base/lifetime.h"
#include "simulation/reading.h"

namespace layby::simulation {
namespace {

constexpr milliseconds kAcrossTheRoom{1};

Error gone() { return {ErrorCode::kUnavailable, "the box is gone"}; }

// A packet takes noticeable time on the simulated links, so the bound of a fair wait for a blob has
// an extra second.
constexpr milliseconds kPlay = seconds(1);

}  // namespace

// A request with one answer. The cache may answer inside the call.
template <typename T>
class BoxSource::Request final : public Operation {
 public:
  using Ask = std::function<Handle(cache::Cache&, cache::Cache::Done<T>)>;
  // `judge` gets the cache's answer before the client gets the answer.
  Request(const Internet& internet, Box& box, Asked asked, bool exists, const Ask& ask,
          std::function<void(const Result<T>&)> judge, std::function<void(Result<T>)> done)
      : internet_(internet),
        number_(internet.invariants.asked(std::move(asked))),
        exists_(exists),
        judge_(std::move(judge)),
        done_(std::move(done)) {
    if (!box.up()) {
      lose();
      return;
    }
    crash_ = box.on_crash([this] {
      asking_.reset();
      lose();
    });
    asking_ = ask(box.cache(), [this](Result<T> answer) {
      internet_.invariants.answered(number_, answer.ok() ? Status() : Status(answer.error()),
                                    exists_);
      if (judge_) judge_(answer);
      answer_soon(std::move(answer));
    });
  }
  ~Request() override { internet_.invariants.left(number_); }

 private:
  void lose() {
    internet_.invariants.left(number_);
    answer_soon(gone());
  }
  void answer_soon(Result<T> answer) {
    crash_.reset();
    coming_ = internet_.world.after(kAcrossTheRoom, [this, answer = std::move(answer)] {
      const auto done = std::move(done_);
      done(Result<T>(answer));  // May destroy this.
    });
  }

  const Internet& internet_;
  const std::uint64_t number_;
  const bool exists_;
  const std::function<void(const Result<T>&)> judge_;
  std::function<void(Result<T>)> done_;
  Handle crash_;
  Handle coming_;
  Handle asking_;
};

// Reads a blob to its end, as fast as its bytes come.
class BoxSource::Blob final : public Operation, private cache::BlobReader::Listener {
 public:
  Blob(BoxSource& source, const std::string& repository, const oci::Digest& digest,
       std::function<void(Status)> done)
      : internet_(source.internet_),
        box_(source.box_),
        digest_(digest),
        bytes_(internet_.content.find_blob(digest)),
        done_(std::move(done)) {
    const std::size_t size = bytes_ != nullptr ? bytes_->size() : 0;
    const milliseconds fair = box_.store().has_blob(digest)
                                  ? kStored
                                  : fair_blob(size, source.addresses_, source.bytes_per_second_);
    const std::string what = "blob " + digest.str() + " (" + std::to_string(size) + " bytes)";
    question_ = internet_.invariants.asked(
        {box_.number(), what, digest, {}, kBlobOver, fair + kPlay, box_.holds_back(digest, size)});
    if (!box_.up()) {
      lose();
      return;
    }
    crash_ = box_.on_crash([this] { lose(); });
    box_.note_want(digest.str());
    asking_ = box_.cache().open_blob(
        box_.origin(), repository, digest, [this](auto opened) { on_opened(std::move(opened)); },
        source.client_);
  }
  ~Blob() override { internet_.invariants.left(question_); }

 private:
  void on_opened(Result<std::unique_ptr<cache::BlobReader>> opened) {
    if (!opened.ok()) return end(opened.error());
    reader_ = std::move(*opened);
    reader_->consumed(0);
    reader_->listen(this);
    on_readable();
  }
  // on_readable() may come inside a fill's work, and may read the reader at once.
  void on_readable() override {
    if (coming_) return;
    const std::string more = read(*reader_, at_);
    if (bytes_ == nullptr || bytes_->compare(at_, more.size(), more) != 0) wrong_ = true;
    at_ += more.size();
    reader_->consumed(at_);
    if (at_ == reader_->size_bytes()) end({});
  }
  void on_reader_failed(const Error& error) override { end(error); }

  void lose() {
    internet_.invariants.left(question_);
    reader_.reset();
    asking_.reset();
    tell(gone());
  }
  void end(const Status& status) {
    if (coming_) return;
    const bool complete = status.ok() && (wrong_ || bytes_ == nullptr || at_ != bytes_->size());
    if (complete) {
      internet_.invariants.broke(box_.number(), "no wrong byte completes", digest_.str());
    }
    internet_.invariants.answered(question_, status, bytes_ != nullptr);
    tell(status);
  }
  void tell(Status status) {
    crash_.reset();
    coming_ = internet_.world.after(kAcrossTheRoom, [this, status = std::move(status)] {
      const auto done = std::move(done_);
      done(status);  // May destroy this.
    });
  }

  const Internet& internet_;
  Box& box_;
  const oci::Digest digest_;
  const std::string* const bytes_;  // The registry's bytes; null if the registry lacks the blob.
  std::function<void(Status)> done_;
  std::uint64_t question_ = 0;
  std::uint64_t at_ = 0;
  bool wrong_ = false;
  Handle crash_;
  Handle coming_;
  std::unique_ptr<cache::BlobReader> reader_;
  Handle asking_;
};

Handle BoxSource::head(const std::string& repository, const std::string& tag,
                       Done<oci::Digest> done) {
  const ImageName name{repository, tag};
  const SteadyTime asked_at = internet_.world.steady_now();
  box_.note_want(repository);
  const bool exists = internet_.content.find_tag(name).has_value();
  const auto judge = [this, name, asked_at](const Result<cache::ManifestAnswer>& answer) {
    internet_.invariants.tag_answered(box_.number(), name, asked_at, answer, box_.jumped());
  };
  return std::make_unique<Request<cache::ManifestAnswer>>(
      internet_, box_,
      Asked{box_.number(), "tag " + repository + ":" + tag, {}, {}, kAnswered, kFairManifest},
      exists,
      [this, repository, tag](cache::Cache& cache, auto answer) {
        return cache.get_manifest(box_.origin(), repository, oci::Reference(tag), true,
                                  std::move(answer), client_);
      },
      judge,
      [done = std::move(done)](const Result<cache::ManifestAnswer>& answer) {
        done(answer.ok() ? Result<oci::Digest>(answer->digest) : answer.error());
      });
}

Handle BoxSource::get_manifest(const std::string& repository, const oci::Digest& digest,
                               Done<cache::ManifestBody> done) {
  const auto* manifest = internet_.content.find_manifest(digest);
  const bool stored = box_.up() && box_.store().has_manifest(digest);
  box_.note_want(repository);
  const auto judge = [this, digest](const Result<cache::ManifestAnswer>& answer) {
    if (!answer.ok() || oci::Digest::of(*answer->bytes) == digest) return;
    internet_.invariants.broke(box_.number(), "no wrong byte completes", digest.str());
  };
  return std::make_unique<Request<cache::ManifestAnswer>>(
      internet_, box_,
      Asked{box_.number(),
            "manifest " + digest.str(),
            {},
            {},
            stored ? kStored : kAnswered,
            stored ? kStored : kFairManifest},
      manifest != nullptr,
      [this, repository, digest](cache::Cache& cache, auto answer) {
        return cache.get_manifest(box_.origin(), repository, digest, false, std::move(answer),
                                  client_);
      },
      judge,
      [done = std::move(done)](const Result<cache::ManifestAnswer>& answer) {
        if (!answer.ok()) return done(answer.error());
        done(cache::ManifestBody{*answer->bytes, answer->media_type});
      });
}

Handle BoxSource::fetch_blob(const std::string& repository, const oci::Digest& digest,
                             std::function<void(Status)> done) {
  return std::make_unique<Blob>(*this, repository, digest, std::move(done));
}

}  // namespace layby::simulation
