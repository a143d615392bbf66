// SPDX-License-Identifier: Apache-2.0
//
// Tests endless heads, endless trailers, endless bodies of redirects, heads that contradict
// themselves, and bodies that come too slowly. A server of an endless answer sends until its client
// hangs up, or until the server has sent far more than any bound.

#include <atomic>

#include "upstream/gzip.h"
#include "upstream/registry_fixture.h"

namespace layby::upstream {
namespace {

// This is far more than Layby's bound and the kernel's buffers together.
constexpr std::size_t kFarTooMuch = 256 << 20;

class HostileAnswersTest : public RegistryTest {
 protected:
  // Ends the server's threads, which use cut_off_.
  void TearDown() override { server_.reset(); }

  // Answers every request with `start`, and then with `piece` again and again until the client
  // hangs up.
  void serve_endless(std::string start, std::string piece) {
    while (piece.size() < 16'000) piece += piece;
    serve([this, start = std::move(start), piece = std::move(piece)](const SeenRequest&, Peer& p) {
      p.raw(start);
      std::size_t sent = 0;
      while (sent < kFarTooMuch && p.raw(piece)) sent += piece.size();
      cut_off_ = sent < kFarTooMuch;
      p.close();
    });
  }
  // Expects that a request for a blob fails with `code` and `reason` before the server has sent
  // kFarTooMuch bytes, and that a request for a manifest fails with `code`.
  void expect_cut_off(ErrorCode code, const std::string& reason) {
    cut_off_ = false;
    const Status blob = get_blob();
    ASSERT_FALSE(blob.ok());
    EXPECT_EQ(blob.error().code, code) << message(blob);
    EXPECT_NE(message(blob).find(reason), std::string::npos) << message(blob);
    EXPECT_TRUE(turn([&] { return server_->ended() == 1; }));
    EXPECT_TRUE(cut_off_);
    const auto manifest = get_manifest();
    ASSERT_FALSE(manifest.ok());
    EXPECT_EQ(manifest.error().code, code) << manifest.error().message;
  }

  std::atomic<bool> cut_off_{false};
};

const std::string kChunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

TEST_F(HostileAnswersTest, EndsEndlessHeads) {
  serve_endless("HTTP/1.1 200 OK\r\n", "X-Field: value\r\n");
  expect_cut_off(ErrorCode::kInvalid, "the header is too large");
}

TEST_F(HostileAnswersTest, EndsEndlessInterimAnswers) {
  serve_endless("", "HTTP/1.1 103 Early Hints\r\n\r\n");
  expect_cut_off(ErrorCode::kInvalid, "the header is too large");
}

TEST_F(HostileAnswersTest, EndsEndlessTrailers) {
  serve_endless(kChunked + "1\r\nx\r\n0\r\n", "X-Field: value\r\n");
  expect_cut_off(ErrorCode::kInvalid, "sends too much beside the body");
}

TEST_F(HostileAnswersTest, EndsEndlessChunkExtensions) {
  serve_endless(kChunked + "1;", "name=value;");
  expect_cut_off(ErrorCode::kInvalid, "sends too much beside the body");
}

TEST_F(HostileAnswersTest, EndsChunkExtensionsBetweenSingleBytes) {
  serve_endless(kChunked, "1;" + std::string(1000, 'e') + "\r\nx\r\n");
  expect_cut_off(ErrorCode::kInvalid, "sends too much beside the body");
}

TEST_F(HostileAnswersTest, EndsTheEndlessBodyOfARedirect) {
  serve_endless("HTTP/1.1 307 There\r\nLocation: /there\r\nContent-Length: 1000000000000\r\n\r\n",
                "body");
  expect_cut_off(ErrorCode::kInvalid, "sends too much beside the body");
}

TEST_F(HostileAnswersTest, EndsTheEndlessChunkedBodyOfARedirect) {
  serve_endless("HTTP/1.1 307 There\r\nLocation: /there\r\nTransfer-Encoding: chunked\r\n\r\n",
                "4\r\nbody\r\n");
  expect_cut_off(ErrorCode::kInvalid, "sends too much beside the body");
}

// Layby decodes gzip in a small answer. gzip may have any number of empty stored blocks, which
// decode to nothing.
TEST_F(HostileAnswersTest, EndsGzipThatDecodesToNothing) {
  using namespace std::string_literals;
  serve_endless("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + testing::kGzipHeader,
                "\0\0\0\xff\xff"s);
  const auto tags = get_tags();
  ASSERT_FALSE(tags.ok());
  EXPECT_EQ(tags.error().code, ErrorCode::kInvalid) << tags.error().message;
  EXPECT_TRUE(turn([&] { return server_->ended() == 1; }));
  EXPECT_TRUE(cut_off_);
}

TEST_F(HostileAnswersTest, TakesChunksOfASingleByte) {
  std::string body;
  for (int i = 0; i < 200'000; ++i) body += "1\r\nx\r\n";
  serve_raw(kChunked + body + "0\r\nX-Trailer: one\r\n\r\n");
  const Status end = get_blob();
  EXPECT_TRUE(end.ok()) << message(end);
  EXPECT_EQ(sink_.bytes.size(), 200'000u);
}

TEST_F(HostileAnswersTest, TakesAPausedBodyThatCurlHoldsBack) {
  const std::string body(2 << 20, 'x');
  serve_reply(200, {}, body);
  bool paused = false;
  sink_.then_bytes = [&] {
    transfer_->pause();
    paused = true;
  };
  transfer_ = registry_->get_blob(kRepository, digest_, 0, sink_);
  while (!sink_.ended()) {
    ASSERT_TRUE(turn([&] { return std::exchange(paused, false) || sink_.ended(); }));
    transfer_->resume();
  }
  EXPECT_TRUE(sink_.end.ok()) << message(sink_.end);
  EXPECT_EQ(sink_.bytes.size(), body.size());
}

TEST_F(HostileAnswersTest, NamesAHeaderLineThatIsTooLong) {
  for (const std::size_t size : {70'000u, 1'000'000u}) {
    serve_raw("HTTP/1.1 200 OK\r\nX-Long: " + std::string(size, 'x') + "\r\n\r\n");
    const auto manifest = get_manifest();
    ASSERT_FALSE(manifest.ok());
    EXPECT_EQ(manifest.error().code, ErrorCode::kInvalid) << manifest.error().message;
    EXPECT_NE(manifest.error().message.find("header is too l"), std::string::npos)
        << manifest.error().message;
  }
}

TEST_F(HostileAnswersTest, IsCorruptWhenATrailerIsTooLong) {
  serve_raw(kChunked + "2\r\n{}\r\n0\r\nX-Long: " + std::string(10'000, 'x') + "\r\n\r\n");
  const auto manifest = get_manifest();
  ASSERT_FALSE(manifest.ok());
  EXPECT_EQ(manifest.error().code, ErrorCode::kCorrupt) << manifest.error().message;
}

TEST_F(HostileAnswersTest, IsCorruptWhenTheContentLengthCantBe) {
  for (const char* length : {"9223372036854775808", "18446744073709551615", "99999999999999999999",
                             "-1", "0x10", "5, 5", ""}) {
    serve_raw("HTTP/1.1 200 OK\r\nContent-Length: " + std::string(length) + "\r\n\r\nhello");
    sink_ = {};
    const Status end = get_blob();
    ASSERT_FALSE(end.ok()) << length;
    EXPECT_EQ(end.error().code, ErrorCode::kCorrupt) << length << ": " << message(end);
    EXPECT_EQ(sink_.starts, 0) << length;
    const auto head = head_blob();
    ASSERT_FALSE(head.ok()) << length;
    EXPECT_EQ(head.error().code, ErrorCode::kCorrupt) << length << ": " << head.error().message;
  }
}

TEST_F(HostileAnswersTest, IsCorruptWhenTwoContentLengthsDiffer) {
  for (const char* lengths : {"Content-Length: 5\r\nContent-Length: 6\r\n",
                              "Content-Length: 6\r\ncontent-length: 5\r\n"}) {
    serve([lengths = std::string(lengths)](const SeenRequest&, Peer& peer) {
      peer.raw("HTTP/1.1 200 OK\r\n" + lengths + "\r\nhello!");
    });
    sink_ = {};
    const Status end = get_blob();
    ASSERT_FALSE(end.ok());
    EXPECT_EQ(end.error().code, ErrorCode::kCorrupt) << message(end);
    EXPECT_EQ(sink_.starts, 0);
    EXPECT_TRUE(turn([&] { return server_->ended() == 1; })) << "the connection stays open";
  }
}

TEST_F(HostileAnswersTest, TakesTwoContentLengthsThatAreTheSame) {
  serve_raw("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello");
  const Status end = get_blob();
  EXPECT_TRUE(end.ok()) << message(end);
  EXPECT_EQ(sink_.bytes, "hello");
}

class DripTest : public RegistryTest {
 protected:
  DripTest() { options_.floor = {1000, 300ms}; }

  // Sends the head of a large blob, and then one byte every 2 ms.
  void serve_drip() {
    serve([](const SeenRequest& request, Peer& peer) {
      if (request.headers.get("range")) {
        peer.raw("HTTP/1.1 206 Partial\r\nContent-Range: bytes " +
                 request.header("range").substr(6) +
                 "99999/100000\r\nContent-Length: 99999\r\n\r\n");
      } else {
        peer.head(200, {}, 100'000);
      }
      while (peer.raw("x")) std::this_thread::sleep_for(2ms);
    });
  }
};

TEST_F(DripTest, EndsABodyThatDrips) {
  options_.stall_timeout = 250ms;
  serve_drip();
  const Status end = get_blob();
  ASSERT_FALSE(end.ok());
  EXPECT_EQ(end.error().code, ErrorCode::kTimedOut);
  EXPECT_NE(message(end).find("too slow: only "), std::string::npos) << message(end);
  EXPECT_GT(sink_.bytes.size(), 1u);
  EXPECT_LT(sink_.bytes.size(), 1000u);
}

TEST_F(DripTest, GoesOnOnAnotherConnection) {
  options_.stall_timeout = 250ms;
  serve_drip();
  ASSERT_FALSE(get_blob().ok());
  sink_ = {};
  ASSERT_FALSE(get_blob(1).ok());
  EXPECT_EQ(server_->requests().at(1).connection, 1);
  EXPECT_EQ(sink_.start.offset, 1u);
}

TEST_F(DripTest, KeepsABodyAtTheFloor) {
  options_.floor = {1, 100ms};
  options_.stall_timeout = 100ms;
  serve([](const SeenRequest&, Peer& peer) {
    peer.head(200, {}, 100);
    for (int left = 100; left > 0 && peer.raw("x"); --left) std::this_thread::sleep_for(4ms);
  });
  const Status end = get_blob();
  EXPECT_TRUE(end.ok()) << message(end);
}

// The floor's window is at least stall_timeout, the time for which the operator lets a blob stall.
TEST_F(DripTest, WaitsAsLongAsABlobMayStall) {
  options_.floor = {1000, 1ms};
  options_.stall_timeout = 10s;
  serve([](const SeenRequest&, Peer& peer) {
    peer.head(200, {}, 2);
    peer.raw("x");
    peer.hang();
  });
  transfer_ = registry_->get_blob(kRepository, digest_, 0, sink_);
  ASSERT_TRUE(turn([&] { return sink_.pieces == 1; }));
  EXPECT_FALSE(turn([&] { return sink_.ended(); }, 200ms)) << message(sink_.end);
}

TEST_F(DripTest, CountsNoTimeWhilePaused) {
  options_.floor = {1000, 100ms};
  options_.stall_timeout = 100ms;
  serve_reply(200, {}, std::string(500, 'x'));
  sink_.then_start = [&] { transfer_->pause(); };
  transfer_ = registry_->get_blob(kRepository, digest_, 0, sink_);
  ASSERT_TRUE(turn([&] { return sink_.starts == 1; }));
  EXPECT_FALSE(turn([&] { return sink_.ended(); }, 400ms)) << message(sink_.end);
  transfer_->resume();
  ASSERT_TRUE(turn([&] { return sink_.ended(); }));
  EXPECT_TRUE(sink_.end.ok()) << message(sink_.end);
}

TEST_F(HostileAnswersTest, AnInterimAnswerIsNoProgress) {
  options_.stall_timeout = 200ms;
  serve([](const SeenRequest&, Peer& peer) {
    while (peer.raw("HTTP/1.1 103 Early Hints\r\n\r\n")) {
      std::this_thread::sleep_for(20ms);
    }
  });
  const Status end = get_blob();
  ASSERT_FALSE(end.ok());
  EXPECT_EQ(end.error().code, ErrorCode::kTimedOut) << message(end);
}

}  // namespace
}  // namespace layby::upstream
