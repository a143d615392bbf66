// SPDX-License-Identifier: Apache-2.0
//
// Bodies that are made while they are sent: their framing, sources that wait and fail, slow
// clients and clients that leave.

#include <algorithm>
#include <ctime>

#include "server/scripted_stream.h"
#include "server/server_test.h"

namespace layby::testing {
namespace {

class StreamBodiesTest : public ServerTest {
 protected:
  // Answers "/stream" with the script's stream, and other paths with a text.
  void serve(std::optional<std::uint64_t> length = std::nullopt) {
    handler_.answer = [this, length](const server::Request& request) {
      return request.path == "/stream" ? script_.response(length) : text_response("text");
    };
    start();
  }
  static std::string body_of(const Client& client) {
    const std::string& all = client.received();
    const auto end = all.find("\r\n\r\n");
    return end == std::string::npos ? "" : all.substr(end + 4);
  }
  bool receives_body(const Client& client, const std::string& body) {
    return turn_until([&] { return client.has_head() && body_of(client) == body; });
  }
  // The decoded chunks of the next answer, after which no other answer comes.
  std::string unchunked_body(Client& client) {
    std::optional<std::string> body;
    EXPECT_TRUE(turn_until([&] {
      if (client.has_head() && client.received().ends_with("\r\n0\r\n\r\n")) {
        body = unchunked(body_of(client));
      }
      return body.has_value();
    }));
    return body.value_or("");
  }

  ScriptedStream script_;
};

// -- framing

TEST_F(StreamBodiesTest, GoesInChunksWithoutALength) {
  serve();
  const auto client = connect();
  client->get("/stream");
  ASSERT_TRUE(turn_until([&] { return client->has_head(); }));
  script_.give("hello");
  ASSERT_TRUE(receives_body(*client, "5\r\nhello\r\n"));
  script_.give("0123456789abcdefg");
  ASSERT_TRUE(receives_body(*client, "5\r\nhello\r\n11\r\n0123456789abcdefg\r\n"));
  script_.end();
  EXPECT_TRUE(receives_body(*client, "5\r\nhello\r\n11\r\n0123456789abcdefg\r\n0\r\n\r\n"));
  const auto head = client->take();
  EXPECT_EQ(head->header("Transfer-Encoding"), "chunked");
  EXPECT_EQ(head->headers.count("Content-Length"), 0u);
  EXPECT_EQ(head->header("Connection"), "keep-alive");
}

TEST_F(StreamBodiesTest, PiecesThatAreHereTogetherShareAChunk) {
  script_.piece_bytes = 1;
  script_.give("hello");
  script_.end();
  serve();
  const auto client = connect();
  client->get("/stream");
  EXPECT_TRUE(receives_body(*client, "5\r\nhello\r\n0\r\n\r\n"));
}

TEST_F(StreamBodiesTest, AnEmptyStreamIsOneLastChunk) {
  script_.end();
  serve();
  const auto client = connect();
  client->get("/stream");
  EXPECT_TRUE(receives_body(*client, "0\r\n\r\n"));
}

// Bodies of the size of the buffer, and of one byte less and one byte more.
class StreamSizesTest : public StreamBodiesTest,
                        public ::testing::WithParamInterface<std::size_t> {};

TEST_P(StreamSizesTest, ComeWholeInChunks) {
  const std::string bytes = patterned(GetParam());
  script_.give(bytes);
  script_.end();
  serve();
  const auto client = connect();
  client->get("/stream");
  EXPECT_TRUE(unchunked_body(*client) == bytes);
  EXPECT_EQ(script_.sources(), 0);
}

TEST_P(StreamSizesTest, ComeWholeWithALength) {
  const std::string bytes = patterned(GetParam());
  script_.give(bytes);
  script_.end();
  serve(bytes.size());
  const auto client = connect();
  client->get("/stream");
  const Answer answer = answer_of(*client);
  EXPECT_TRUE(answer.body == bytes);
  EXPECT_EQ(answer.headers.count("Transfer-Encoding"), 0u);
}

INSTANTIATE_TEST_SUITE_P(Sizes, StreamSizesTest,
                         ::testing::Values(0, 1, 15, 16, 32'754, 32'755, 32'756, 65'510,
                                           5'000'000));

TEST_F(StreamBodiesTest, EndsWithTheConnectionForHttp10) {
  serve();
  const auto client = connect();
  client->send("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  script_.give("hello");
  ASSERT_TRUE(receives_body(*client, "hello"));
  script_.end();
  EXPECT_TRUE(ends(*client));
  EXPECT_FALSE(client->was_reset());
  const auto head = client->take();
  EXPECT_EQ(head->headers.count("Transfer-Encoding"), 0u);
  EXPECT_EQ(head->header("Connection"), "close");
}

TEST_F(StreamBodiesTest, KeepsAnHttp10ConnectionWhenTheLengthIsKnown) {
  script_.give("hello");
  script_.end();
  serve(5);
  const auto client = connect();
  client->send("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const Answer answer = answer_of(*client);
  EXPECT_EQ(answer.body, "hello");
  EXPECT_EQ(answer.header("Connection"), "keep-alive");
}

TEST_F(StreamBodiesTest, AnswersHeadWithoutAskingTheSource) {
  script_.give("hello");
  script_.end();
  for (const std::optional<std::uint64_t> length : {std::optional<std::uint64_t>(5), {}}) {
    serve(length);
    const auto client = connect();
    client->send("HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(answer_of(*client, true).header("Content-Length"), length ? "5" : "");
    client->get("/text");
    EXPECT_EQ(answer_of(*client).body, "text") << "nothing stood between the answers";
  }
  EXPECT_EQ(script_.reads(), 0);
  EXPECT_EQ(script_.sources(), 0);
}

// -- the next request

TEST_F(StreamBodiesTest, KeepsTheConnectionForTheNextRequest) {
  script_.give("hello");
  script_.end();
  serve();
  const auto client = connect();
  client->get("/stream");
  EXPECT_EQ(unchunked_body(*client), "hello");
  EXPECT_EQ(script_.sources(), 0);
  client->send("GET /text HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(ends(*client));
  EXPECT_TRUE(client->received().ends_with("\r\n\r\ntext"));
  EXPECT_EQ(counters_.requests, 2u);
}

TEST_F(StreamBodiesTest, APipelinedRequestWaitsForTheEndOfTheStream) {
  script_.give("hello");
  serve();
  const auto client = connect();
  client->get("/stream");
  client->get("/text");
  ASSERT_TRUE(receives_body(*client, "5\r\nhello\r\n"));
  turn_for(milliseconds(5));
  EXPECT_EQ(handler_.seen.size(), 1u);
  script_.end();
  EXPECT_TRUE(turn_until([&] { return client->received().ends_with("\r\n\r\ntext"); }));
  EXPECT_NE(client->received().find("hello\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n"), std::string::npos);
}

// -- sources that wait

TEST_F(StreamBodiesTest, SendsTheHeadBeforeTheFirstByteIsMade) {
  serve();
  const auto client = connect();
  client->get("/stream");
  EXPECT_TRUE(turn_until([&] { return client->has_head(); }));
  EXPECT_EQ(client->body_bytes(), 0u);
}

TEST_F(StreamBodiesTest, DoesNotSpinWhileTheSourceWaits) {
  serve();
  const auto client = connect();
  client->get("/stream");
  ASSERT_TRUE(turn_until([&] { return client->has_head(); }));
  turn_for(milliseconds(50));
  EXPECT_EQ(script_.reads(), 1);
}

TEST_F(StreamBodiesTest, DoesNotBlameAClientForASourceThatWaits) {
  limits_.stall_timeout = milliseconds(20);
  serve();
  const auto client = connect();
  client->get("/stream");
  ASSERT_TRUE(turn_until([&] { return client->has_head(); }));
  turn_for(milliseconds(100));
  script_.give("late");
  script_.end();
  EXPECT_EQ(unchunked_body(*client), "late");
}

TEST_F(StreamBodiesTest, TheSourceMayTellOfBytesInsideItsRead) {
  script_.in_read = [this] {
    if (script_.reads() == 3) script_.end();
    script_.tell();
  };
  script_.give("hello");
  serve();
  const auto client = connect();
  client->get("/stream");
  EXPECT_EQ(unchunked_body(*client), "hello");
  EXPECT_FALSE(script_.was_called_inside_itself());
}

TEST_F(StreamBodiesTest, OnMoreThatNobodyWaitsForDoesNothing) {
  script_.give("hello");
  serve();
  const auto client = connect();
  client->get("/stream");
  ASSERT_TRUE(receives_body(*client, "5\r\nhello\r\n"));
  for (int i = 0; i < 3; ++i) script_.tell();
  turn_for(milliseconds(5));
  script_.end();
  EXPECT_EQ(unchunked_body(*client), "hello");
}

TEST_F(StreamBodiesTest, NeverCallsOrDestroysTheSourceInsideItsOwnCallback) {
  handler_.answer = nullptr;
  script_.give("hello");
  start();
  const auto client = connect();
  client->get("/");
  ASSERT_TRUE(turn_until([&] { return handler_.waiting() == 1; }));
  {
    const ScriptedStream::Inside inside(script_);
    handler_.respond(script_.response());
  }
  ASSERT_TRUE(receives_body(*client, "5\r\nhello\r\n"));
  {
    const ScriptedStream::Inside inside(script_);
    script_.end();
  }
  EXPECT_EQ(unchunked_body(*client), "hello");
  EXPECT_EQ(script_.sources(), 0);
  EXPECT_FALSE(script_.was_called_inside_itself());
}

TEST_F(StreamBodiesTest, AnUnwantedSourceIsNotDestroyedInsideItsOwnCallback) {
  handler_.answer = nullptr;
  start();
  const auto client = connect();
  client->send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(turn_until([&] { return handler_.waiting() == 1; }));
  {
    const ScriptedStream::Inside inside(script_);
    handler_.respond(script_.response());
  }
  EXPECT_EQ(answer_of(*client, true).status, 200);
  EXPECT_EQ(script_.sources(), 0);
  EXPECT_FALSE(script_.was_called_inside_itself());
}

// -- bodies that can't be finished

TEST_F(StreamBodiesTest, ClosesWithoutTheLastChunkWhenTheSourceFails) {
  script_.give("hello");
  serve();
  const auto client = connect();
  client->get("/stream");
  ASSERT_TRUE(receives_body(*client, "5\r\nhello\r\n"));
  script_.fail();
  EXPECT_TRUE(ends(*client));
  EXPECT_EQ(body_of(*client), "5\r\nhello\r\n");
  EXPECT_EQ(script_.sources(), 0);
  EXPECT_TRUE(turn_until([&] { return server_->connections() == 0; }));
}

TEST_F(StreamBodiesTest, ResetsAnHttp10ConnectionWhenTheSourceFails) {
  script_.give("hello");
  serve();
  const auto client = connect();
  client->send("GET /stream HTTP/1.0\r\n\r\n");
  ASSERT_TRUE(receives_body(*client, "hello"));
  script_.fail();
  EXPECT_TRUE(ends(*client));
  EXPECT_TRUE(client->was_reset());
}

TEST_F(StreamBodiesTest, ResetsAnHttp10ConnectionWhenTheServerEnds) {
  script_.give("hello");
  serve();
  const auto client = connect();
  client->send("GET /stream HTTP/1.0\r\n\r\n");
  ASSERT_TRUE(receives_body(*client, "hello"));
  server_.reset();
  EXPECT_TRUE(ends(*client));
  EXPECT_TRUE(client->was_reset());
  EXPECT_EQ(script_.sources(), 0);
}

TEST_F(StreamBodiesTest, EndsShortWhenTheSourceGivesLess) {
  script_.give("hell");
  serve(5);
  const auto client = connect();
  client->get("/stream");
  ASSERT_TRUE(receives_body(*client, "hell"));
  script_.end();
  EXPECT_TRUE(ends(*client));
  EXPECT_EQ(body_of(*client), "hell");
}

TEST_F(StreamBodiesTest, EndsShortWhenTheSourceGivesMore) {
  script_.give("hell");
  serve(5);
  const auto client = connect();
  client->get("/stream");
  ASSERT_TRUE(receives_body(*client, "hell"));
  script_.give("o and more");
  script_.end();
  EXPECT_TRUE(ends(*client));
  EXPECT_EQ(body_of(*client), "hell");
}

TEST_F(StreamBodiesTest, EndsShortWhenTheSourceGivesOneByteMoreThanABuffer) {
  const std::string bytes = patterned(32'755);
  script_.give(bytes + "x");
  script_.end();
  serve(bytes.size());
  const auto client = connect();
  client->get("/stream");
  EXPECT_TRUE(ends(*client));
  EXPECT_LT(client->body_bytes(), bytes.size());
}

TEST_F(StreamBodiesTest, HoldsTheLastByteUntilTheSourceHasEnded) {
  script_.give("hel");
  serve(5);
  const auto client = connect();
  client->get("/stream");
  ASSERT_TRUE(receives_body(*client, "hel"));
  script_.give("lo");
  turn_for(milliseconds(5));
  EXPECT_EQ(body_of(*client), "hel");
  script_.end();
  EXPECT_EQ(answer_of(*client).body, "hello");
}

TEST_F(StreamBodiesTest, HoldsAnEmptyAnswerUntilTheSourceHasEnded) {
  serve(0);
  const auto client = connect();
  client->get("/stream");
  ASSERT_TRUE(turn_until([&] { return script_.reads() == 1; }));
  EXPECT_EQ(client->received(), "");
  script_.give("x");
  EXPECT_TRUE(ends(*client));
  EXPECT_EQ(client->received(), "");
}

// -- clients

TEST_F(StreamBodiesTest, DestroysTheSourceWhenAWaitingClientLeaves) {
  serve();
  const auto client = connect();
  client->get("/stream");
  ASSERT_TRUE(turn_until([&] { return client->has_head(); }));
  ASSERT_EQ(script_.sources(), 1);
  client->close();
  EXPECT_TRUE(turn_until([&] { return script_.sources() == 0; }));
  EXPECT_TRUE(turn_until([&] { return server_->connections() == 0; }));
}

TEST_F(StreamBodiesTest, ASlowReaderHoldsUpTheSource) {
  const std::string bytes = patterned(10'000'000);
  script_.give(bytes);
  script_.end();
  serve();
  const auto client = connect(32 << 10);
  client->read(false);
  client->get("/stream");
  ASSERT_TRUE(turn_until([&] { return script_.given() > 0; }));
  turn_for(milliseconds(50));
  EXPECT_LE(script_.given(), counters_.client_bytes_sent + (64u << 10));
  EXPECT_LT(script_.given(), 1'000'000u);
  client->read(true);
  EXPECT_TRUE(unchunked_body(*client) == bytes);
}

TEST_F(StreamBodiesTest, ClosesAStalledClientWhileAnotherIsServed) {
  limits_.stall_timeout = milliseconds(100);
  script_.give(patterned(10'000'000));
  serve();
  const auto stalled = connect(32 << 10);
  stalled->read(false);
  stalled->get("/stream");
  ASSERT_TRUE(turn_until([&] { return script_.sources() == 1; }));
  const auto served = connect();
  EXPECT_TRUE(turn_until([&] {
    served->get("/text");
    EXPECT_EQ(answer_of(*served).body, "text");
    return script_.sources() == 0;
  }));
  EXPECT_EQ(counters_.connections_timed_out, 1u);
}

// The source gives more bytes in each read(), and the client reads all bytes.
TEST_F(StreamBodiesTest, AStreamThatNeverEndsLeavesOthersTheirTurns) {
  script_.in_read = [this] { script_.give(std::string(32 << 10, 'x')); };
  serve();
  const auto greedy = connect();
  greedy->get("/stream");
  ASSERT_TRUE(turn_until([&] { return script_.given() > 0; }));
  const auto other = connect();
  for (int i = 0; i < 5; ++i) {
    other->get("/text");
    ASSERT_EQ(answer_of(*other).body, "text");
  }
  EXPECT_EQ(script_.sources(), 1);
  greedy->close();
  EXPECT_TRUE(turn_until([&] { return script_.sources() == 0; }));
}

TEST_F(StreamBodiesTest, AStreamThatIsDrainedIsFinished) {
  script_.give("hello");
  serve();
  const auto client = connect();
  client->get("/stream");
  ASSERT_TRUE(receives_body(*client, "5\r\nhello\r\n"));
  bool drained = false;
  server_->drain([&] { drained = true; });
  script_.end();
  EXPECT_EQ(unchunked_body(*client), "hello");
  EXPECT_TRUE(turn_until([&] { return drained; }));
}

TEST_F(StreamBodiesTest, SourcesAreDestroyedWithTheServer) {
  serve();
  const auto client = connect();
  client->get("/stream");
  ASSERT_TRUE(turn_until([&] { return client->has_head(); }));
  server_.reset();
  EXPECT_EQ(script_.sources(), 0);
}

}  // namespace
}  // namespace layby::testing
