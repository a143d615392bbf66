// SPDX-License-Identifier: Apache-2.0
//
// Cancels a request in each of its states, inside callbacks too. After the cancellation no callback
// comes, the connection closes, and other requests go on. The tests are meant for sanitizer builds.

#include <atomic>

#include "upstream/registry_fixture.h"

namespace layby::upstream {
namespace {

class CancellingTest : public RegistryTest {
 protected:
  // Serves a blob that doesn't end, so that a test is always in the middle of the blob. HEAD gets a
  // whole answer.
  void serve_large() {
    serve([](const SeenRequest& request, Peer& peer) {
      if (request.method == "HEAD") return peer.reply(200);
      peer.head(200, {}, std::size_t{1} << 40);
      while (peer.raw(std::string(1 << 16, 'x'))) {
      }
    });
  }
  void start_blob() { transfer_ = registry_->get_blob(kRepository, digest_, 0, sink_); }
  // Waits until all bytes and callbacks under way have come.
  void settle() {
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(head_blob().ok());
  }
  Handle start_manifest() {
    return registry_->get_manifest(kRepository, kTag, [this](const auto&) { ++calls_; });
  }

  int calls_ = 0;
};

TEST_F(CancellingTest, BeforeAnythingWasSent) {
  serve_reply(200);
  start_manifest().reset();
  start_blob();
  transfer_.reset();
  settle();
  EXPECT_EQ(calls_, 0);
  EXPECT_EQ(sink_.starts + sink_.ends, 0);
}

TEST_F(CancellingTest, WhileConnecting) {
  serve_reply(200);
  auto handle = start_manifest();
  loop_->defer([&] { handle.reset(); });
  settle();
  EXPECT_EQ(calls_, 0);
}

TEST_F(CancellingTest, WhileWaitingForTheToken) {
  std::atomic<bool> hanging{false};
  serve([&](const SeenRequest& request, Peer& peer) {
    if (request.target.starts_with("/token")) {
      hanging = true;
      return peer.hang();
    }
    if (request.method == "HEAD") return peer.reply(200);
    peer.reply(401, {{"WWW-Authenticate", "Bearer realm=\"" + server_->url() + "/token\""}});
  });
  auto handle = start_manifest();
  start_blob();
  ASSERT_TRUE(turn([&] { return hanging.load(); }));
  handle.reset();
  transfer_.reset();
  ASSERT_TRUE(turn([&] { return server_->ended() > 0; })) << "nobody waits for that token";
  EXPECT_EQ(calls_ + sink_.ends, 0);
}

TEST_F(CancellingTest, WhileWaitingForTheAnswer) {
  std::atomic<bool> asked{false};
  serve([&](const SeenRequest& request, Peer& peer) {
    if (request.method == "HEAD") return peer.reply(200);
    asked = true;
    peer.hang();
  });
  auto handle = start_manifest();
  ASSERT_TRUE(turn([&] { return asked.load(); }));
  handle.reset();
  ASSERT_TRUE(turn([&] { return server_->ended() == 1; })) << "the connection must go";
  settle();
  EXPECT_EQ(calls_, 0);
}

TEST_F(CancellingTest, InTheMiddleOfABody) {
  serve_large();
  start_blob();
  ASSERT_TRUE(turn([&] { return sink_.pieces > 3; }));
  transfer_.reset();
  const int pieces = sink_.pieces;
  ASSERT_TRUE(turn([&] { return server_->ended() == 1; }));
  settle();
  EXPECT_EQ(sink_.pieces, pieces);
  EXPECT_EQ(sink_.ends, 0);
}

TEST_F(CancellingTest, InsideStart) {
  serve_large();
  sink_.then_start = [&] { transfer_.reset(); };
  start_blob();
  ASSERT_TRUE(turn([&] { return server_->ended() == 1; }));
  settle();
  EXPECT_EQ(sink_.starts, 1);
  EXPECT_EQ(sink_.pieces + sink_.ends, 0);
}

TEST_F(CancellingTest, InsideBytes) {
  serve_large();
  sink_.then_bytes = [&] {
    if (sink_.pieces == 3) transfer_.reset();
  };
  start_blob();
  ASSERT_TRUE(turn([&] { return server_->ended() == 1; }));
  settle();
  EXPECT_EQ(sink_.pieces, 3);
  EXPECT_EQ(sink_.ends, 0);
}

TEST_F(CancellingTest, InsideEnd) {
  serve_reply(200, {}, "content");
  sink_.then_end = [&] { transfer_.reset(); };
  start_blob();
  ASSERT_TRUE(turn([&] { return sink_.ended(); }));
  settle();
  EXPECT_EQ(sink_.ends, 1);
}

TEST_F(CancellingTest, InsideAnEndWithAnError) {
  serve_reply(500);
  sink_.then_end = [&] { transfer_.reset(); };
  start_blob();
  ASSERT_TRUE(turn([&] { return sink_.ended(); }));
  EXPECT_FALSE(sink_.end.ok());
}

TEST_F(CancellingTest, InsideTheCallbackOfASmallRequest) {
  serve_reply(200, {}, "{}");
  Handle handle;
  handle = registry_->get_manifest(kRepository, kTag, [&](const auto& result) {
    EXPECT_TRUE(result.ok());
    handle.reset();
    ++calls_;
  });
  ASSERT_TRUE(turn([&] { return calls_ == 1; }));
  EXPECT_EQ(handle, nullptr);
}

TEST_F(CancellingTest, InsideADeadline) {
  serve([](const SeenRequest&, Peer& peer) { peer.hang(); });
  Handle handle;
  handle = registry_->head_manifest(kRepository, kTag, 20ms, [&](const auto& result) {
    EXPECT_FALSE(result.ok());
    handle.reset();
    ++calls_;
  });
  ASSERT_TRUE(turn([&] { return calls_ == 1; }));
}

TEST_F(CancellingTest, WhilePaused) {
  serve_large();
  sink_.then_bytes = [&] { transfer_->pause(); };
  start_blob();
  ASSERT_TRUE(turn([&] { return sink_.pieces == 1; }));
  settle();
  transfer_.reset();
  ASSERT_TRUE(turn([&] { return server_->ended() == 1; }));
  EXPECT_EQ(sink_.pieces, 1);
}

TEST_F(CancellingTest, BetweenResumeAndTheNextTurn) {
  serve_large();
  sink_.then_bytes = [&] { transfer_->pause(); };
  start_blob();
  ASSERT_TRUE(turn([&] { return sink_.pieces == 1; }));
  settle();
  transfer_->resume();
  transfer_.reset();
  ASSERT_TRUE(turn([&] { return server_->ended() == 1; }));
  EXPECT_EQ(sink_.pieces, 1);
}

TEST_F(CancellingTest, InsideTheBytesThatComeWithResume) {
  serve_large();
  sink_.then_bytes = [&] {
    if (sink_.pieces == 1) return transfer_->pause();
    transfer_.reset();
  };
  start_blob();
  ASSERT_TRUE(turn([&] { return sink_.pieces == 1; }));
  settle();
  transfer_->resume();
  ASSERT_TRUE(turn([&] { return server_->ended() == 1; }));
  EXPECT_EQ(sink_.pieces, 2);
  EXPECT_EQ(sink_.ends, 0);
}

TEST_F(CancellingTest, OfAnotherTransferInsideACallback) {
  serve_large();
  RecordingSink other_sink;
  auto other = registry_->get_blob(kRepository, digest_, 0, other_sink);
  ASSERT_TRUE(turn([&] { return other_sink.pieces > 0; }));
  int pieces_of_other = 0;
  sink_.then_bytes = [&] {
    other.reset();
    pieces_of_other = other_sink.pieces;
    sink_.then_bytes = nullptr;
  };
  start_blob();
  ASSERT_TRUE(turn([&] { return sink_.pieces > 10; }));
  EXPECT_EQ(other, nullptr);
  EXPECT_EQ(other_sink.pieces, pieces_of_other);
}

TEST_F(CancellingTest, ANewRequestMayStartInsideACallback) {
  serve_reply(200, {}, "content");
  RecordingSink next_sink;
  std::unique_ptr<cache::BlobTransfer> next;
  Handle head;
  sink_.then_bytes = [&] {
    next = registry_->get_blob(kRepository, digest_, 0, next_sink);
    head = registry_->head_blob(kRepository, digest_, [this](const auto&) { ++calls_; });
  };
  start_blob();
  ASSERT_TRUE(turn([&] { return next_sink.ended() && calls_ == 1; }));
  EXPECT_TRUE(next_sink.end.ok());
}

TEST_F(CancellingTest, ANewRequestMayStartAndEndInsideACallback) {
  serve_reply(200, {}, "content");
  sink_.then_bytes = [&] { start_manifest().reset(); };
  start_blob();
  ASSERT_TRUE(turn([&] { return sink_.ended(); }));
  settle();
  EXPECT_EQ(calls_, 0);
}

TEST_F(CancellingTest, OfAllTransfersRightBeforeTheRegistryGoes) {
  serve_large();
  std::vector<std::unique_ptr<cache::BlobTransfer>> transfers;
  std::vector<RecordingSink> sinks(20);
  for (auto& sink : sinks) {
    transfers.push_back(registry_->get_blob(kRepository, digest_, 0, sink));
  }
  ASSERT_TRUE(turn([&] { return sinks.back().pieces > 0; }));
  transfers.clear();
  registry_.reset();
  multi_.reset();
  EXPECT_EQ(sinks.front().ends, 0);
}

}  // namespace
}  // namespace layby::upstream
