// SPDX-License-Identifier: Apache-2.0
//
// Blob transfers: whole, from an offset, cut short, of unknown length, paused, stalled, and
// many at a time.

#include <atomic>

#include "upstream/registry_fixture.h"

namespace layby::upstream {
namespace {

class BlobTransferTest : public RegistryTest {
 protected:
  void expect_error(const Status& status, ErrorCode code, std::string_view text) {
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, code) << message(status);
    EXPECT_NE(status.error().message.find(text), std::string::npos) << message(status);
    EXPECT_EQ(sink_.ends, 1);
  }
  void get_twice() {
    ASSERT_TRUE(get_blob().ok());
    transfer_ = registry_->get_blob(kRepository, digest_, 0, sink_);
    ASSERT_TRUE(turn([&] { return sink_.ends == 2; }));
    EXPECT_EQ(sink_.bytes, "contentcontent");
  }
};

TEST_F(BlobTransferTest, ComesWholeAndUnencoded) {
  serve_reply(200, {}, "content");
  const Status end = get_blob();
  ASSERT_TRUE(end.ok()) << message(end);
  EXPECT_EQ(sink_.bytes, "content");
  EXPECT_EQ(sink_.start.offset, 0u);
  EXPECT_EQ(sink_.start.size_bytes, 7u);
  EXPECT_EQ(sink_.starts, 1);
  const SeenRequest asked = server_->requests().at(0);
  EXPECT_TRUE(asked.is("GET", blob_target()));
  EXPECT_EQ(asked.header("accept-encoding"), "identity");
  EXPECT_EQ(asked.headers.count("range"), 0u);
  EXPECT_EQ(counters_.upstream_blob_gets, 1u);
  EXPECT_EQ(counters_.upstream_bytes, 7u);
}

TEST_F(BlobTransferTest, TakesAnEmptyBlob) {
  serve_reply(200, {}, "");
  ASSERT_TRUE(get_blob().ok());
  EXPECT_EQ(sink_.starts, 1);
  EXPECT_EQ(sink_.start.size_bytes, 0u);
  EXPECT_EQ(sink_.pieces, 0);
}

TEST_F(BlobTransferTest, ReusesAConnection) {
  serve_reply(200, {}, "content");
  get_twice();
  EXPECT_EQ(server_->accepted(), 1);
}

TEST_F(BlobTransferTest, DoesNotReuseTheConnectionOfABackgroundBlob) {
  serve_reply(200, {}, "content");
  sink_.background = true;
  get_twice();
  EXPECT_EQ(server_->accepted(), 2);
}

TEST_F(BlobTransferTest, StartsAsSoonAsTheHeadIsThere) {
  Gate gate;
  serve([&](const SeenRequest&, Peer& peer) {
    peer.head(200, {}, 7);
    gate.wait();
    peer.raw("content");
  });
  transfer_ = registry_->get_blob(kRepository, digest_, 0, sink_);
  ASSERT_TRUE(turn([&] { return sink_.starts == 1; }));
  EXPECT_EQ(sink_.pieces, 0);
  gate.open();
  ASSERT_TRUE(turn([&] { return sink_.ended(); }));
  EXPECT_EQ(sink_.bytes, "content");
}

TEST_F(BlobTransferTest, GoesOnFromAnOffset) {
  serve_reply(206, {{"Content-Range", "bytes 3-6/7"}}, "tent");
  const Status end = get_blob(3);
  ASSERT_TRUE(end.ok()) << message(end);
  EXPECT_EQ(server_->requests().at(0).header("range"), "bytes=3-");
  EXPECT_EQ(sink_.start.offset, 3u);
  EXPECT_EQ(sink_.start.size_bytes, 7u);
  EXPECT_EQ(sink_.bytes, "tent");
}

TEST_F(BlobTransferTest, GoesOnWithoutAStatedTotalSize) {
  serve_reply(206, {{"Content-Range", "bytes 3-6/*"}}, "tent");
  ASSERT_TRUE(get_blob(3).ok());
  EXPECT_EQ(sink_.start.size_bytes, std::nullopt);
}

TEST_F(BlobTransferTest, StartsOverWhereRangesAreNotSupported) {
  serve_reply(200, {}, "content");
  ASSERT_TRUE(get_blob(3).ok());
  EXPECT_EQ(sink_.start.offset, 0u);
  EXPECT_EQ(sink_.bytes, "content");
}

TEST_F(BlobTransferTest, RefusesBytesFromAnotherOffset) {
  serve_reply(206, {{"Content-Range", "bytes 2-6/7"}}, "ntent");
  expect_error(get_blob(3), ErrorCode::kCorrupt, "asked for bytes from 3 on, sent bytes from 2 on");
  EXPECT_EQ(sink_.starts, 0);
  EXPECT_EQ(sink_.pieces, 0);
}

TEST_F(BlobTransferTest, RefusesAPartWithoutContentRange) {
  for (const char* value : {"", "nonsense", "bytes */7", "items 3-6/7"}) {
    sink_ = {};
    serve_reply(206, {{"Content-Range", value}}, "tent");
    expect_error(get_blob(3), ErrorCode::kCorrupt, "without a Content-Range");
  }
}

TEST_F(BlobTransferTest, RefusesAPartThatWasNotAskedFor) {
  serve_reply(206, {{"Content-Range", "bytes 0-3/7"}}, "cont");
  expect_error(get_blob(), ErrorCode::kCorrupt, "range");
}

TEST_F(BlobTransferTest, IsInvalidBeyondTheEnd) {
  serve_reply(416, {{"Content-Range", "bytes */7"}});
  expect_error(get_blob(9), ErrorCode::kInvalid, "416");
}

TEST_F(BlobTransferTest, IsUnavailableWhenTheRangeEndsEarly) {
  serve_reply(206, {{"Content-Range", "bytes 3-4/7"}}, "te");
  expect_error(get_blob(3), ErrorCode::kUnavailable, "ended after 5 of 7 bytes");
}

TEST_F(BlobTransferTest, AsksForAPart) {
  serve_reply(206, {{"Content-Range", "bytes 0-2/7"}}, "con");
  ASSERT_TRUE(get_blob({0, 3}).ok());
  EXPECT_EQ(server_->requests().at(0).header("range"), "bytes=0-2");
  EXPECT_EQ(sink_.start.offset, 0u);
  EXPECT_EQ(sink_.start.size_bytes, 7u);
  EXPECT_EQ(sink_.bytes, "con");
}

TEST_F(BlobTransferTest, RefusesAPartWithAnotherEnd) {
  serve_reply(206, {{"Content-Range", "bytes 3-6/7"}}, "tent");
  expect_error(get_blob({3, 5}), ErrorCode::kCorrupt, "bytes before 5, sent bytes before 7");
  EXPECT_EQ(sink_.starts, 0);
}

TEST_F(BlobTransferTest, PartMayBecomeTheWholeBlob) {
  serve_reply(200, {}, "content");
  ASSERT_TRUE(get_blob({3, 5}).ok());
  EXPECT_EQ(sink_.start.offset, 0u);
  EXPECT_EQ(sink_.bytes, "content");
}

TEST_F(BlobTransferTest, IsUnavailableWhenAPartEndsEarly) {
  serve_raw("HTTP/1.1 206 P\r\nContent-Range: bytes 3-6/9\r\nContent-Length: 2\r\n\r\nte");
  expect_error(get_blob({3, 7}), ErrorCode::kUnavailable, "ended after 5 of 7 bytes");
}

TEST_F(BlobTransferTest, IsUnavailableWhenCutOff) {
  serve_raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
  expect_error(get_blob(), ErrorCode::kUnavailable, "cut off");
  EXPECT_EQ(sink_.bytes, "only this");
  EXPECT_EQ(counters_.upstream_failures, 1u);
}

TEST_F(BlobTransferTest, TakesNoMoreThanContentLength) {
  serve_raw("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\ncontent and more");
  ASSERT_TRUE(get_blob().ok());
  EXPECT_EQ(sink_.bytes, "content");
}

TEST_F(BlobTransferTest, TakesChunksWithoutLength) {
  serve_raw(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ncon\r\n4\r\ntent\r\n0\r\n"
      "Trailer: x\r\n\r\n");
  ASSERT_TRUE(get_blob().ok());
  EXPECT_EQ(sink_.bytes, "content");
  EXPECT_EQ(sink_.start.size_bytes, std::nullopt);
}

TEST_F(BlobTransferTest, IsUnavailableWhenChunksAreCutOff) {
  serve_raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ncon\r\n4\r\nte");
  expect_error(get_blob(), ErrorCode::kUnavailable, "");
}

TEST_F(BlobTransferTest, FailsWhenChunksMakeNoSense) {
  serve_raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\ncon\r\n");
  ASSERT_FALSE(get_blob().ok());
}

TEST_F(BlobTransferTest, ReadsToTheEndOfTheConnectionWithoutALength) {
  serve_raw("HTTP/1.1 200 OK\r\n\r\ncontent");
  ASSERT_TRUE(get_blob().ok());
  EXPECT_EQ(sink_.bytes, "content");
  EXPECT_EQ(sink_.start.size_bytes, std::nullopt);
}

TEST_F(BlobTransferTest, SkipsInterimAnswers) {
  serve_raw(
      "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 7"
      "\r\n\r\ncontent");
  ASSERT_TRUE(get_blob().ok());
  EXPECT_EQ(sink_.bytes, "content");
  EXPECT_EQ(sink_.start.size_bytes, 7u);
}

TEST_F(BlobTransferTest, KeepsTheBodyOfARefusalFromTheSink) {
  serve_reply(404, {}, "no such blob");
  expect_error(get_blob(), ErrorCode::kNotFound, "404");
  EXPECT_EQ(sink_.starts, 0);
  EXPECT_EQ(sink_.pieces, 0);
}

TEST_F(BlobTransferTest, GivesUpOnAnEndlessRefusal) {
  serve([](const SeenRequest&, Peer& peer) {
    peer.bare_head(404, {});
    while (peer.raw(std::string(1 << 16, 'x'))) {
    }
  });
  expect_error(get_blob(), ErrorCode::kNotFound, "404");
  EXPECT_LT(counters_.upstream_bytes, 1u << 20);
}

TEST_F(BlobTransferTest, SendsNothingWhilePaused) {
  constexpr std::size_t kSize = 1 << 20;
  serve([](const SeenRequest&, Peer& peer) { peer.reply(200, {}, std::string(kSize, 'x')); });
  sink_.then_bytes = [&] { transfer_->pause(); };
  transfer_ = registry_->get_blob(kRepository, digest_, 0, sink_);
  ASSERT_TRUE(turn([&] { return sink_.pieces == 1; }));
  for (int piece = 2; !sink_.ended(); ++piece) {
    // When another request has been answered, all earlier bytes have come too.
    ASSERT_TRUE(head_blob().ok());
    ASSERT_EQ(sink_.pieces, piece - 1);
    transfer_->resume();
    ASSERT_EQ(sink_.pieces, piece - 1) << "resume() must not call back";
    ASSERT_TRUE(turn([&] { return sink_.pieces == piece || sink_.ended(); }));
  }
  EXPECT_TRUE(sink_.end.ok());
  EXPECT_EQ(sink_.bytes.size(), kSize);
}

TEST_F(BlobTransferTest, GoesOnWhenResumedInTheSameCall) {
  serve_reply(200, {}, std::string(1 << 20, 'x'));
  sink_.then_bytes = [&] {
    transfer_->pause();
    transfer_->resume();
    transfer_->resume();
  };
  ASSERT_TRUE(get_blob().ok());
  EXPECT_EQ(sink_.bytes.size(), 1u << 20);
}

TEST_F(BlobTransferTest, CanBePausedBeforeItStarts) {
  serve_reply(200, {}, "content");
  transfer_ = registry_->get_blob(kRepository, digest_, 0, sink_);
  transfer_->pause();
  ASSERT_TRUE(turn([&] { return sink_.starts == 1; }));
  ASSERT_TRUE(head_blob().ok());
  EXPECT_EQ(sink_.pieces, 0);
  transfer_->resume();
  ASSERT_TRUE(turn([&] { return sink_.ended(); }));
  EXPECT_EQ(sink_.bytes, "content");
}

TEST_F(BlobTransferTest, HoldsBackTheServerWhilePaused) {
  const auto sent = std::make_shared<std::atomic<std::size_t>>(0);
  serve([sent](const SeenRequest& request, Peer& peer) {
    if (request.method == "HEAD") return peer.reply(200);
    constexpr std::size_t kPieces = 1024;
    peer.head(200, {}, kPieces << 16);
    const std::string piece(1 << 16, 'x');
    for (std::size_t i = 0; i < kPieces && peer.raw(piece); ++i) *sent += piece.size();
  });
  sink_.then_bytes = [&] { transfer_->pause(); };
  transfer_ = registry_->get_blob(kRepository, digest_, 0, sink_);
  ASSERT_TRUE(turn([&] { return sink_.pieces == 1; }));
  std::size_t last = 1;
  while (last != *sent) {  // Repeats until the kernel's buffers are full.
    last = *sent;
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(head_blob().ok());
  }
  EXPECT_LT(*sent, 48u << 20);
  EXPECT_EQ(sink_.pieces, 1);
}

TEST_F(BlobTransferTest, TimesOutWhenNoByteComes) {
  options_.stall_timeout = 200ms;
  serve([](const SeenRequest&, Peer& peer) {
    peer.head(200, {}, 100);
    peer.raw("some");
    peer.hang();
  });
  expect_error(get_blob(), ErrorCode::kTimedOut, "no byte arrives");
  EXPECT_EQ(sink_.bytes, "some");
}

TEST_F(BlobTransferTest, TimesOutWhenNoHeadComes) {
  options_.stall_timeout = 200ms;
  serve([](const SeenRequest&, Peer& peer) { peer.hang(); });
  expect_error(get_blob(), ErrorCode::kTimedOut, "no byte arrives");
}

TEST_F(BlobTransferTest, DoesNotTimeOutWhilePaused) {
  options_.stall_timeout = 200ms;
  serve([](const SeenRequest& request, Peer& peer) {
    peer.head(200, {}, 4);
    if (request.method == "GET") peer.raw("some");
  });
  sink_.then_start = [&] { transfer_->pause(); };
  transfer_ = registry_->get_blob(kRepository, digest_, 0, sink_);
  ASSERT_TRUE(turn([&] { return sink_.starts == 1; }));
  bool passed = false;
  const auto wait = loop_->after(300ms, [&] { passed = true; });
  ASSERT_TRUE(turn([&] { return passed; }));
  EXPECT_FALSE(sink_.ended());
  transfer_->resume();
  ASSERT_TRUE(turn([&] { return sink_.ended(); }));
  EXPECT_TRUE(sink_.end.ok());
}

TEST_F(BlobTransferTest, TimesOutAfterItIsResumed) {
  options_.stall_timeout = 200ms;
  serve([](const SeenRequest&, Peer& peer) {
    peer.head(200, {}, 100);
    peer.hang();
  });
  sink_.then_start = [&] { transfer_->pause(); };
  transfer_ = registry_->get_blob(kRepository, digest_, 0, sink_);
  ASSERT_TRUE(turn([&] { return sink_.starts == 1; }));
  transfer_->resume();
  ASSERT_TRUE(turn([&] { return sink_.ended(); }));
  EXPECT_EQ(sink_.end.error().code, ErrorCode::kTimedOut);
  transfer_->pause();
  transfer_->resume();  // Has no effect after the end.
  EXPECT_EQ(sink_.ends, 1);
}

TEST_F(BlobTransferTest, LeavesTheLoopTimeForOthersHoweverFastTheBlobComes) {
  serve([](const SeenRequest& request, Peer& peer) {
    if (request.method == "HEAD") return peer.reply(200);
    peer.head(200, {}, std::size_t{1} << 40);
    const std::string piece(1 << 20, 'x');
    while (peer.raw(piece)) {
    }
  });
  std::size_t in_a_row = 0;
  std::size_t most_in_a_row = 0;
  sink_.then_bytes = [&] {
    if (in_a_row == 0) loop_->defer([&] { in_a_row = 0; });
    in_a_row += sink_.bytes.size();
    most_in_a_row = std::max(most_in_a_row, in_a_row);
    sink_.bytes.clear();
  };
  transfer_ = registry_->get_blob(kRepository, digest_, 0, sink_);
  ASSERT_TRUE(turn([&] { return counters_.upstream_bytes > 100u << 20; }));
  // Two turns may pass before a deferred call runs.
  EXPECT_LE(most_in_a_row, 3u << 20);
}

}  // namespace
}  // namespace layby::upstream
