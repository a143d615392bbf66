// SPDX-License-Identifier: Apache-2.0
//
// Hedges of a blob's transfer: a second request over a new connection. The servers don't answer the
// first request for a blob.

#include <atomic>

#include "upstream/registry_fixture.h"

namespace layby::upstream {
namespace {

class HedgesTest : public RegistryTest {
 protected:
  // Makes a registry that doesn't answer the first `hung` GETs, and answers the later GETs.
  void serve_hanging(int hung) {
    serve([this, hung](const SeenRequest&, Peer& peer) {
      if (gets_++ < hung) return peer.hang();
      peer.reply(200, {}, "content");
    });
  }
  // Starts a transfer, and waits until its request has come to `server`.
  void start(const TinyHttpServer& server) {
    transfer_ = registry_->get_blob(kRepository, digest_, 0, sink_);
    ASSERT_TRUE(turn([&] { return server.requests().size() == 1; }));
  }
  void start() { start(*server_); }
  // Makes `count` idle connections to the server, with blobs that are transferred at the same time.
  void make_idle_connections(int count) {
    std::vector<RecordingSink> sinks(static_cast<std::size_t>(count));
    std::vector<std::unique_ptr<cache::BlobTransfer>> transfers;
    transfers.reserve(sinks.size());
    for (RecordingSink& sink : sinks) {
      transfers.push_back(registry_->get_blob(kRepository, digest_, 0, sink));
    }
    for (RecordingSink& sink : sinks) {
      ASSERT_TRUE(turn([&] { return sink.ended(); }));
    }
  }
  bool ends() {
    return turn([&] { return sink_.ended(); });
  }

  std::atomic<int> gets_{0};
};

TEST_F(HedgesTest, BringsTheBlobWhenTheFirstRequestHangs) {
  serve_hanging(1);
  start();
  ASSERT_TRUE(transfer_->hedge());
  ASSERT_TRUE(ends());
  EXPECT_TRUE(sink_.end.ok()) << message(sink_.end);
  EXPECT_EQ(sink_.bytes, "content");
  EXPECT_EQ(sink_.starts, 1);
  EXPECT_TRUE(sink_.start.by_hedge);
  EXPECT_EQ(counters_.upstream_blob_gets, 2u);
  EXPECT_TRUE(turn([&] { return server_->ended() >= 1; })) << "the hung connection is closed";
}

TEST_F(HedgesTest, FirstRequestMayStillBringTheBlob) {
  Gate gate;
  serve([&](const SeenRequest&, Peer& peer) {
    if (gets_++ > 0) return peer.hang();
    gate.wait();
    peer.reply(200, {}, "content");
  });
  start();
  ASSERT_TRUE(transfer_->hedge());
  ASSERT_TRUE(turn([&] { return gets_ == 2; }));
  gate.open();
  ASSERT_TRUE(ends());
  EXPECT_EQ(sink_.bytes, "content");
  EXPECT_FALSE(sink_.start.by_hedge);
}

TEST_F(HedgesTest, UsesNoConnectionOfAnEarlierRequest) {
  Gate both;
  serve([&](const SeenRequest&, Peer& peer) {
    const int number = gets_++;
    if (number == 1) both.open();
    both.wait();  // The first two blobs need two connections.
    if (number == 2) return peer.hang();
    peer.reply(200, {}, "content");
  });
  make_idle_connections(2);
  ASSERT_EQ(server_->accepted(), 2);
  transfer_ = registry_->get_blob(kRepository, digest_, 0, sink_);
  ASSERT_TRUE(turn([&] { return gets_ == 3; }));
  EXPECT_EQ(server_->accepted(), 2) << "the first request uses an idle connection";
  ASSERT_TRUE(transfer_->hedge());
  ASSERT_TRUE(ends());
  EXPECT_EQ(server_->accepted(), 3);
  EXPECT_EQ(server_->requests().back().connection, 2);
}

TEST_F(HedgesTest, UsesAnotherConnectionThanTheOneThatHangsAtTheTargetOfARedirect) {
  TinyHttpServer cdn([this](const SeenRequest&, Peer& peer) {
    if (gets_++ == 1) return peer.hang();
    peer.reply(200, {}, "content");
  });
  serve_reply(307, {{"Location", cdn.url() + "/signed"}});
  make_idle_connections(1);
  transfer_ = registry_->get_blob(kRepository, digest_, 0, sink_);
  ASSERT_TRUE(turn([&] { return gets_ == 2; }));
  ASSERT_TRUE(transfer_->hedge());
  ASSERT_TRUE(ends());
  EXPECT_EQ(sink_.bytes, "content");
  const auto seen = cdn.requests();
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_EQ(seen[1].connection, 0);
  EXPECT_EQ(seen[2].connection, 1);
}

// curl counts the age of an idle connection in seconds, so this test lasts two seconds.
TEST_F(HedgesTest, UsesNoConnectionThatWasIdleForLongAtTheTargetOfARedirect) {
  TinyHttpServer cdn([](const SeenRequest&, Peer& peer) { peer.reply(200, {}, "content"); });
  serve([&](const SeenRequest&, Peer& peer) {
    if (gets_++ == 1) return peer.hang();
    peer.reply(307, {{"Location", cdn.url() + "/signed"}});
  });
  make_idle_connections(1);
  bool passed = false;
  const auto wait = loop_->after(2'100ms, [&] { passed = true; });
  ASSERT_TRUE(turn([&] { return passed; }));
  transfer_ = registry_->get_blob(kRepository, digest_, 0, sink_);
  ASSERT_TRUE(turn([&] { return gets_ == 2; }));
  ASSERT_TRUE(transfer_->hedge());
  ASSERT_TRUE(ends());
  EXPECT_EQ(sink_.bytes, "content");
  EXPECT_EQ(cdn.accepted(), 2);
}

TEST_F(HedgesTest, FirstRequestMayFailWhileTheHedgeIsUnderWay) {
  Gate sent;
  serve([&](const SeenRequest&, Peer& peer) {
    if (gets_++ == 0) {
      sent.wait();
      return peer.close();
    }
    sent.open();
    peer.reply(200, {}, "content");
  });
  start();
  ASSERT_TRUE(transfer_->hedge());
  ASSERT_TRUE(ends());
  EXPECT_TRUE(sink_.end.ok());
  EXPECT_EQ(sink_.bytes, "content");
}

TEST_F(HedgesTest, HedgeThatFailsEndsNothing) {
  Gate gate;
  serve([&](const SeenRequest&, Peer& peer) {
    if (gets_++ == 1) return peer.reply(500);
    gate.wait();
    peer.reply(200, {}, "content");
  });
  start();
  ASSERT_TRUE(transfer_->hedge());
  ASSERT_TRUE(turn([&] { return counters_.upstream_failures == 1; }));
  EXPECT_FALSE(sink_.ended());
  gate.open();
  ASSERT_TRUE(ends());
  EXPECT_EQ(sink_.bytes, "content");
}

TEST_F(HedgesTest, FailsOnceWhenBothRequestsFail) {
  serve([&](const SeenRequest&, Peer& peer) {
    if (gets_++ == 0) return peer.hang();
    peer.reply(500);
  });
  options_.stall_timeout = 300ms;
  connect(server_->url());
  start();
  ASSERT_TRUE(transfer_->hedge());
  ASSERT_TRUE(ends());
  EXPECT_EQ(sink_.end.error().code, ErrorCode::kTimedOut);
  EXPECT_EQ(sink_.ends, 1);
  EXPECT_EQ(sink_.starts, 0);
}

TEST_F(HedgesTest, RefusalOfTheHedgeIsTheAnswer) {
  serve([&](const SeenRequest&, Peer& peer) {
    if (gets_++ == 0) return peer.hang();
    peer.reply(404);
  });
  start();
  ASSERT_TRUE(transfer_->hedge());
  ASSERT_TRUE(ends());
  EXPECT_EQ(sink_.end.error().code, ErrorCode::kNotFound);
}

TEST_F(HedgesTest, TooManyRequestsEndTheRequestThatHangsToo) {
  serve([&](const SeenRequest&, Peer& peer) {
    if (gets_++ == 0) return peer.hang();
    peer.reply(429, {{"Retry-After", "7"}});
  });
  start();
  ASSERT_TRUE(transfer_->hedge());
  ASSERT_TRUE(ends());
  EXPECT_EQ(sink_.end.error().code, ErrorCode::kThrottled);
  EXPECT_EQ(sink_.end.error().retry_after, 7s);
}

TEST_F(HedgesTest, FurtherHedgeEndsTheOldestRequest) {
  serve_hanging(2);
  start();
  ASSERT_TRUE(transfer_->hedge());
  ASSERT_TRUE(turn([&] { return gets_ == 2; }));
  EXPECT_EQ(server_->ended(), 0);
  ASSERT_TRUE(transfer_->hedge());
  ASSERT_TRUE(ends());
  EXPECT_EQ(sink_.bytes, "content");
  EXPECT_TRUE(turn([&] { return server_->ended() >= 2; }));
}

TEST_F(HedgesTest, PausedTransferHasNoHedge) {
  serve_hanging(1);
  start();
  transfer_->pause();
  EXPECT_FALSE(transfer_->hedge());
  transfer_->resume();
  EXPECT_TRUE(transfer_->hedge());
}

TEST_F(HedgesTest, CancelEndsBothRequests) {
  serve_hanging(2);
  start();
  ASSERT_TRUE(transfer_->hedge());
  ASSERT_TRUE(turn([&] { return gets_ == 2; }));
  transfer_.reset();
  EXPECT_TRUE(turn([&] { return server_->ended() == 2; }));
  EXPECT_EQ(sink_.ends, 0);
}

}  // namespace
}  // namespace layby::upstream
