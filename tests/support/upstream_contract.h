// SPDX-License-Identifier: Apache-2.0
//
// The contract of every cache::Upstream, run on the fake and on the real upstream. A rig has
// an upstream with one repository that has one manifest, one blob and one tag list; the
// upstream answers kNotFound to anything else.

#ifndef LAYBY_TESTS_SUPPORT_UPSTREAM_CONTRACT_H_
#define LAYBY_TESTS_SUPPORT_UPSTREAM_CONTRACT_H_

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "layby/cache/upstream.h"
#include "layby/oci/manifest.h"

namespace layby::testing {

// The content of a rig's upstream.
struct ContractContent {
  std::string repository = "library/debian";
  std::string tag = "bookworm";
  std::string manifest = R"({"schemaVersion":2})";
  std::string media_type = std::string(oci::kOciIndex);
  std::string blob = std::string(300'000, 'b');
  std::vector<std::string> tags = {"bookworm", "trixie"};
  std::string referrers = R"({"schemaVersion":2,"manifests":[]})";

  oci::Digest manifest_digest() const { return oci::Digest::of(manifest); }
  oci::Digest blob_digest() const { return oci::Digest::of(blob); }
};

class UpstreamRig {
 public:
  virtual ~UpstreamRig() = default;
  virtual cache::Upstream& upstream() = 0;
  // Lets the upstream answer until `done` holds; false when `done` never holds.
  virtual bool turn_until(const std::function<bool()>& done) = 0;

  const ContractContent content{};
};

using MakeUpstreamRig = std::function<std::unique_ptr<UpstreamRig>()>;

class UpstreamContract : public ::testing::TestWithParam<MakeUpstreamRig> {
 protected:
  class Sink final : public cache::BlobSink {
   public:
    void on_blob_start(const cache::BlobStart& at) override {
      ++starts;
      start = at;
      if (on_start) on_start();
    }
    void on_blob_bytes(std::string_view piece) override {
      bytes += piece;
      ++pieces;
      if (on_bytes) on_bytes();
    }
    void on_blob_end(Status status) override {
      ++ends;
      end = std::move(status);
      if (on_end) on_end();
    }
    int calls() const { return starts + pieces + ends; }

    cache::BlobStart start;
    std::string bytes;
    Status end;
    int starts = 0;
    int pieces = 0;
    int ends = 0;
    std::function<void()> on_start;
    std::function<void()> on_bytes;
    std::function<void()> on_end;
  };

  cache::Upstream& upstream() { return rig_->upstream(); }
  const ContractContent& content() const { return rig_->content; }
  bool turn_until(const std::function<bool()>& done) { return rig_->turn_until(done); }

  Handle head(std::function<void(Result<cache::ManifestHead>)> done,
              const std::string& tag = "bookworm") {
    return upstream().head_manifest(content().repository, oci::Tag(tag), std::chrono::seconds(10),
                                    std::move(done));
  }
  void start_blob(std::uint64_t offset = 0) {
    transfer_ = upstream().get_blob(content().repository, content().blob_digest(), offset, sink_);
  }
  // Makes other requests and waits for their answers, so that earlier bytes have come too.
  void settle() {
    for (int i = 0; i < 3; ++i) {
      bool answered = false;
      const auto handle = head([&](const auto&) { answered = true; });
      ASSERT_TRUE(turn_until([&] { return answered; }));
    }
  }

  std::unique_ptr<UpstreamRig> rig_ = GetParam()();
  Sink sink_;
  std::unique_ptr<cache::BlobTransfer> transfer_;
};

TEST_P(UpstreamContract, NoCallbackRunsInsideTheStartingCall) {
  const auto& has = content();
  int calls = 0;
  const auto count = [&](const auto&) { ++calls; };
  std::vector<Handle> handles;
  handles.push_back(head(count));
  handles.push_back(upstream().get_manifest(has.repository, oci::Tag(has.tag), count));
  handles.push_back(upstream().head_blob(has.repository, has.blob_digest(), count));
  handles.push_back(upstream().get_tags(has.repository, {}, count));
  handles.push_back(upstream().get_referrers(has.repository, has.manifest_digest(), "", count));
  start_blob();
  EXPECT_EQ(calls + sink_.calls(), 0);
  EXPECT_TRUE(turn_until([&] { return calls == 5 && sink_.ends == 1; }));
}

TEST_P(UpstreamContract, TellsWhatATagPointsTo) {
  std::optional<Result<cache::ManifestHead>> got;
  const auto handle = head([&](auto result) { got = std::move(result); });
  ASSERT_TRUE(turn_until([&] { return got.has_value(); }));
  ASSERT_TRUE(got->ok());
  EXPECT_EQ((*got)->digest, content().manifest_digest());
  EXPECT_EQ((*got)->media_type, content().media_type);
  EXPECT_EQ((*got)->size_bytes, content().manifest.size());
}

TEST_P(UpstreamContract, GetsAManifestByTagAndByDigest) {
  for (const oci::Reference& reference :
       {oci::Reference(content().tag), oci::Reference(content().manifest_digest())}) {
    std::optional<Result<cache::ManifestBody>> got;
    const auto handle = upstream().get_manifest(content().repository, reference,
                                                [&](auto result) { got = std::move(result); });
    ASSERT_TRUE(turn_until([&] { return got.has_value(); }));
    ASSERT_TRUE(got->ok());
    EXPECT_EQ((*got)->bytes, content().manifest);
    EXPECT_EQ((*got)->media_type, content().media_type);
  }
}

TEST_P(UpstreamContract, ReportsNotFoundForAMissingObject) {
  std::optional<Result<cache::ManifestHead>> got;
  const auto handle = head([&](auto result) { got = std::move(result); }, "missing");
  transfer_ = upstream().get_blob(content().repository, oci::Digest::of("missing"), 0, sink_);
  ASSERT_TRUE(turn_until([&] { return got.has_value() && sink_.ends == 1; }));
  ASSERT_FALSE(got->ok());
  EXPECT_EQ(got->error().code, ErrorCode::kNotFound);
  ASSERT_FALSE(sink_.end.ok());
  EXPECT_EQ(sink_.end.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(sink_.starts + sink_.pieces, 0);
}

TEST_P(UpstreamContract, ListsTags) {
  std::optional<Result<cache::TagPage>> got;
  const auto handle =
      upstream().get_tags(content().repository, {}, [&](auto result) { got = std::move(result); });
  ASSERT_TRUE(turn_until([&] { return got.has_value(); }));
  ASSERT_TRUE(got->ok());
  EXPECT_EQ((*got)->tags, content().tags);
  EXPECT_FALSE((*got)->more);
}

TEST_P(UpstreamContract, NoCallbackComesAfterTheHandleIsGone) {
  int calls = 0;
  auto handle = head([&](const auto&) { ++calls; });
  start_blob();
  handle.reset();
  transfer_.reset();
  settle();
  EXPECT_EQ(calls + sink_.calls(), 0);
}

TEST_P(UpstreamContract, AHandleMayGoInsideItsCallback) {
  int calls = 0;
  Handle handle;
  handle = head([&](const auto& result) {
    EXPECT_TRUE(result.ok());
    handle.reset();
    ++calls;
  });
  ASSERT_TRUE(turn_until([&] { return calls == 1; }));
}

TEST_P(UpstreamContract, AnotherRequestMayStartInsideACallback) {
  int calls = 0;
  Handle second;
  const auto first = head([&](const auto&) { second = head([&](const auto&) { ++calls; }); });
  ASSERT_TRUE(turn_until([&] { return calls == 1; }));
}

TEST_P(UpstreamContract, ACallbackIsDestroyedWithItsHandle) {
  auto held = std::make_shared<int>(0);
  auto handle = head([held](const auto&) {});
  handle.reset();
  EXPECT_EQ(held.use_count(), 1);
}

TEST_P(UpstreamContract, SendsABlobInOrderWithOneStartAndOneEnd) {
  start_blob();
  ASSERT_TRUE(turn_until([&] { return sink_.ends == 1; }));
  EXPECT_TRUE(sink_.end.ok());
  EXPECT_EQ(sink_.starts, 1);
  EXPECT_EQ(sink_.start.offset, 0u);
  EXPECT_EQ(sink_.start.size_bytes, content().blob.size());
  EXPECT_EQ(sink_.bytes, content().blob);
}

TEST_P(UpstreamContract, SendsABlobFromAnOffset) {
  start_blob(1000);
  ASSERT_TRUE(turn_until([&] { return sink_.ends == 1; }));
  EXPECT_TRUE(sink_.end.ok());
  EXPECT_EQ(sink_.start.offset, 1000u);
  EXPECT_EQ(sink_.start.size_bytes, content().blob.size());
  EXPECT_EQ(sink_.bytes, content().blob.substr(1000));
}

TEST_P(UpstreamContract, SendsNoBytesWhilePaused) {
  sink_.on_bytes = [&] { transfer_->pause(); };
  start_blob();
  ASSERT_TRUE(turn_until([&] { return sink_.pieces == 1; }));
  settle();
  ASSERT_EQ(sink_.pieces, 1);
  sink_.on_bytes = nullptr;
  transfer_->resume();
  EXPECT_EQ(sink_.pieces, 1) << "resume() must not call back";
  ASSERT_TRUE(turn_until([&] { return sink_.ends == 1; }));
  EXPECT_TRUE(sink_.end.ok());
  EXPECT_EQ(sink_.bytes, content().blob);
}

TEST_P(UpstreamContract, PauseAndResumeAreIdempotent) {
  start_blob();
  transfer_->resume();
  transfer_->pause();
  transfer_->pause();
  transfer_->resume();
  transfer_->resume();
  ASSERT_TRUE(turn_until([&] { return sink_.ends == 1; }));
  EXPECT_EQ(sink_.bytes, content().blob);
}

TEST_P(UpstreamContract, ATransferMayGoInsideAnyCallToItsSink) {
  for (auto& hook : {&Sink::on_start, &Sink::on_bytes, &Sink::on_end}) {
    Sink sink;
    std::unique_ptr<cache::BlobTransfer> transfer;
    int calls = -1;
    sink.*hook = [&] {
      transfer.reset();
      calls = sink.calls();
    };
    transfer = upstream().get_blob(content().repository, content().blob_digest(), 0, sink);
    ASSERT_TRUE(turn_until([&] { return calls >= 0; }));
    settle();
    EXPECT_EQ(sink.calls(), calls);
  }
}

TEST_P(UpstreamContract, TheBlobComesOnceFromTwoRequests) {
  start_blob();
  ASSERT_TRUE(turn_until([&] { return transfer_->hedge(); }));
  ASSERT_TRUE(turn_until([&] { return sink_.ends == 1; }));
  EXPECT_EQ(sink_.starts, 1);
  EXPECT_EQ(sink_.bytes, content().blob);
}

TEST_P(UpstreamContract, HedgesNothingThatHasBegun) {
  start_blob();
  bool hedged = true;
  sink_.on_start = [&] { hedged = transfer_->hedge(); };
  ASSERT_TRUE(turn_until([&] { return sink_.ends == 1; }));
  EXPECT_FALSE(hedged);
  EXPECT_EQ(sink_.bytes, content().blob);
}

}  // namespace layby::testing

#endif  // LAYBY_TESTS_SUPPORT_UPSTREAM_CONTRACT_H_
