// SPDX-License-Identifier: Apache-2.0
//
// Blobs by sendfile: whole, in ranges, while they grow, and when the reader or the
// client fails in mid-body.

#include <algorithm>

#include "server/server_test.h"

namespace layby::testing {
namespace {

class BlobBodiesTest : public ServerTest {
 protected:
  // Answers every request with `blob`, or with `range` of `blob`.
  void serve(GrowingBlob& blob, std::optional<http::ByteRange> range = std::nullopt) {
    handler_.answer = [&blob, range](const server::Request&) { return blob.response(range); };
    start();
  }
};

// If the socket stays corked, the last bytes of a blob come 200 ms late; with nginx they come 44 ms
// late. On a busy machine an answer may come late for other reasons, so the test looks for one
// answer that comes sooner.
class BlobTailsTest : public BlobBodiesTest, public ::testing::WithParamInterface<std::size_t> {};

TEST_P(BlobTailsTest, AreNotHeldBack) {
  GrowingBlob blob(patterned(GetParam()));
  serve(blob);
  const auto client = connect();
  auto soonest = std::chrono::steady_clock::duration::max();
  for (int tries = 100; tries > 0 && soonest >= milliseconds(40); --tries) {
    const auto before = std::chrono::steady_clock::now();
    client->get("/");
    ASSERT_TRUE(answer_of(*client).body == blob.bytes());
    soonest = std::min(soonest, std::chrono::steady_clock::now() - before);
  }
  EXPECT_LT(soonest, milliseconds(40));
}

// A size just above 64 KiB, where nginx stalls; the bytes of one turn, which are sent without a
// cork; and two sizes of more than one turn.
INSTANTIATE_TEST_SUITE_P(Sizes, BlobTailsTest,
                         ::testing::Values(68'225, 512 << 10, (512 << 10) + 1, 700'001));

TEST_F(BlobBodiesTest, SendsALargeBlob) {
  GrowingBlob blob(patterned(10'000'000));
  serve(blob);
  const auto client = connect();
  client->get("/");
  EXPECT_TRUE(answer_of(*client).body == blob.bytes());
  EXPECT_EQ(counters_.blob_bytes_from_fills, 10'000'000u);
  EXPECT_GT(counters_.client_bytes_sent, 10'000'000u);
  EXPECT_EQ(blob.readers(), 0u);
}

TEST_F(BlobBodiesTest, SendsARange) {
  GrowingBlob blob(patterned(300'000));
  serve(blob, http::ByteRange{100'001, 150'000});
  const auto client = connect();
  client->get("/");
  const Answer answer = answer_of(*client);
  EXPECT_EQ(answer.header("Content-Length"), "150000");
  EXPECT_TRUE(answer.body == blob.bytes().substr(100'001, 150'000));
}

TEST_F(BlobBodiesTest, SendsTheLastByte) {
  GrowingBlob blob(patterned(300'000));
  serve(blob, http::ByteRange{299'999, 1});
  const auto client = connect();
  client->get("/");
  EXPECT_EQ(answer_of(*client).body, blob.bytes().substr(299'999));
}

TEST_F(BlobBodiesTest, SendsSeveralRanges) {
  const http::ByteRanges ranges{{2'000'000, 1'000'000}, {0, 1}, {700'001, 700'000}, {3'000'000, 1}};
  GrowingBlob blob(patterned(3'000'001));
  handler_.answer = [&](const server::Request&) { return blob.multipart(ranges); };
  start();
  const auto client = connect();
  for (int i = 0; i < 2; ++i) {
    client->get("/");
    const Answer answer = answer_of(*client);
    EXPECT_EQ(answer.header("Content-Length"), std::to_string(answer.body.size()));
    EXPECT_TRUE(answer.body == blob.multipart_body(ranges));
  }
  EXPECT_EQ(counters_.blob_bytes_from_fills, 2 * 1'700'002u);
}

TEST_F(BlobBodiesTest, SendsAsManyRangesAsOneRequestMayAskFor) {
  http::ByteRanges ranges;
  for (std::uint64_t i = 0; i < http::kMostRanges; ++i) ranges.push_back({i * 1000, 1 + i % 999});
  GrowingBlob blob(patterned(1'100'000));
  handler_.answer = [&](const server::Request&) { return blob.multipart(ranges); };
  start();
  const auto client = connect(4096);
  client->get("/");
  EXPECT_TRUE(answer_of(*client).body == blob.multipart_body(ranges));
}

TEST_F(BlobBodiesTest, SendsEachPartWhenItsBytesHaveArrived) {
  const http::ByteRanges ranges{{10, 20}, {100'000, 5}, {199'999, 1}};
  GrowingBlob blob(patterned(200'000), 15);
  handler_.answer = [&](const server::Request&) { return blob.multipart(ranges); };
  start();
  const std::string body = blob.multipart_body(ranges);
  const auto client = connect();
  client->get("/");
  for (const std::uint64_t readable : {15, 30, 100'003, 199'999}) {
    blob.grow_to(readable);
    // The text before a part comes at once; the first missing byte is that of `readable`.
    std::string before;
    const http::MultipartRanges parts(ranges, 200'000, "edge", "a/b");
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      before += parts.head(i);
      const std::uint64_t end =
          std::min<std::uint64_t>(ranges[i].first + ranges[i].length, readable);
      if (end > ranges[i].first)
        before += blob.bytes().substr(ranges[i].first, end - ranges[i].first);
      if (end < ranges[i].first + ranges[i].length) break;
    }
    ASSERT_TRUE(turn_until([&] { return client->body_bytes() == before.size(); })) << readable;
  }
  blob.grow_to(200'000);
  EXPECT_TRUE(answer_of(*client).body == body);
}

TEST_F(BlobBodiesTest, AnswersHeadOfSeveralRangesWithoutABody) {
  const http::ByteRanges ranges{{10, 20}, {100, 5}};
  GrowingBlob blob(patterned(1000));
  handler_.answer = [&](const server::Request&) { return blob.multipart(ranges); };
  start();
  const auto client = connect();
  client->send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(answer_of(*client, true).header("Content-Length"),
            std::to_string(blob.multipart_body(ranges).size()));
}

TEST_F(BlobBodiesTest, SendsAnEmptyBlob) {
  GrowingBlob blob("");
  serve(blob);
  const auto client = connect();
  client->get("/");
  EXPECT_EQ(answer_of(*client).header("Content-Length"), "0");
  client->get("/");
  EXPECT_EQ(answer_of(*client).status, 200);
}

TEST_F(BlobBodiesTest, SendsOneBlobToManyClientsAtOnce) {
  GrowingBlob blob(patterned(2'000'000));
  serve(blob);
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(connect());
    clients.back()->get("/");
  }
  for (const auto& client : clients) EXPECT_TRUE(answer_of(*client).body == blob.bytes());
}

TEST_F(BlobBodiesTest, SendsTheHeadBeforeTheFirstByteArrives) {
  GrowingBlob blob(patterned(1000), 0);
  serve(blob);
  const auto client = connect();
  client->get("/");
  EXPECT_TRUE(turn_until([&] { return client->has_head(); }));
  EXPECT_EQ(client->body_bytes(), 0u);
}

TEST_F(BlobBodiesTest, SendsBytesAsTheyBecomeReadable) {
  GrowingBlob blob(patterned(200'000), 10);
  serve(blob);
  const auto client = connect();
  client->get("/");
  for (const std::uint64_t readable : {10, 11, 70'000, 199'999}) {
    blob.grow_to(readable);
    ASSERT_TRUE(turn_until([&] { return client->body_bytes() == readable; })) << readable;
  }
  turn_for(milliseconds(5));
  EXPECT_EQ(client->body_bytes(), 199'999u) << "the last byte waits for the digest";
  blob.grow_to(200'000);
  EXPECT_TRUE(answer_of(*client).body == blob.bytes());
}

TEST_F(BlobBodiesTest, TakesTheNextRequestAfterAGrowingBlob) {
  GrowingBlob blob(patterned(1000), 10);
  serve(blob);
  const auto client = connect();
  client->get("/");
  client->get("/");
  ASSERT_TRUE(turn_until([&] { return client->body_bytes() == 10; }));
  blob.grow_to(1000);
  EXPECT_EQ(answer_of(*client).body, blob.bytes());
  EXPECT_EQ(answer_of(*client).body, blob.bytes());
}

TEST_F(BlobBodiesTest, WaitsForARangeThatHasNotArrived) {
  GrowingBlob blob(patterned(1000), 100);
  serve(blob, http::ByteRange{500, 100});
  const auto client = connect();
  client->get("/");
  ASSERT_TRUE(turn_until([&] { return client->has_head(); }));
  blob.grow_to(500);
  turn_for(milliseconds(5));
  EXPECT_EQ(client->body_bytes(), 0u);
  blob.grow_to(600);
  EXPECT_EQ(answer_of(*client).body, blob.bytes().substr(500, 100));
}

TEST_F(BlobBodiesTest, EndsARangeBeforeTheBlobIsWhole) {
  GrowingBlob blob(patterned(1000), 600);
  serve(blob, http::ByteRange{500, 100});
  const auto client = connect();
  client->get("/");
  EXPECT_EQ(answer_of(*client).body, blob.bytes().substr(500, 100));
  EXPECT_EQ(blob.readers(), 0u);
}

TEST_F(BlobBodiesTest, DoesNotSpinWhileItWaitsForBytes) {
  GrowingBlob blob(patterned(1000), 10);
  serve(blob);
  const auto client = connect();
  client->get("/");
  ASSERT_TRUE(turn_until([&] { return client->body_bytes() == 10; }));
  const std::clock_t before = std::clock();
  turn_for(milliseconds(300));
  const double seconds = static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
  EXPECT_LT(seconds, 0.1);
}

TEST_F(BlobBodiesTest, ClosesShortWhenTheReaderFails) {
  GrowingBlob blob(patterned(1000), 600);
  serve(blob);
  const auto client = connect();
  client->get("/");
  ASSERT_TRUE(turn_until([&] { return client->body_bytes() == 600; }));
  blob.fail();
  EXPECT_TRUE(ends(*client));
  EXPECT_EQ(client->body_bytes(), 600u);
  EXPECT_EQ(blob.readers(), 0u);
  EXPECT_TRUE(turn_until([&] { return server_->connections() == 0; }));
}

TEST_F(BlobBodiesTest, ClosesEveryConnectionOfABlobThatFails) {
  GrowingBlob blob(patterned(1000), 600);
  serve(blob);
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 5; ++i) {
    clients.push_back(connect());
    clients.back()->get("/");
  }
  ASSERT_TRUE(turn_until([&] { return blob.readers() == 5; }));
  blob.fail();
  for (const auto& client : clients) EXPECT_TRUE(ends(*client));
}

TEST_F(BlobBodiesTest, ClosesShortWhenTheFileIsShorterThanTheBlob) {
  GrowingBlob blob(patterned(100'000));
  blob.truncate_to(1000);
  serve(blob);
  const auto client = connect();
  client->get("/");
  EXPECT_TRUE(ends(*client));
  EXPECT_LE(client->body_bytes(), 1000u);
  EXPECT_EQ(blob.readers(), 0u);
}

TEST_F(BlobBodiesTest, DropsTheReaderWhenAWaitingClientLeaves) {
  GrowingBlob blob(patterned(1000), 10);
  serve(blob);
  const auto client = connect();
  client->get("/");
  ASSERT_TRUE(turn_until([&] { return client->body_bytes() == 10; }));
  client->close();
  EXPECT_TRUE(turn_until([&] { return blob.readers() == 0; }));
  EXPECT_TRUE(turn_until([&] { return server_->connections() == 0; }));
}

TEST_F(BlobBodiesTest, DropsTheReaderWhenAClientLeavesInMidBody) {
  GrowingBlob blob(patterned(10'000'000));
  serve(blob);
  const auto client = connect(32 << 10);
  client->read(false);
  client->get("/");
  ASSERT_TRUE(turn_until([&] { return blob.readers() == 1; }));
  turn_for(milliseconds(5));
  ASSERT_EQ(blob.readers(), 1u) << "the client takes nothing, so the body can't be out";
  client->close();
  EXPECT_TRUE(turn_until([&] { return blob.readers() == 0; }));
}

TEST_F(BlobBodiesTest, KeepsLittleInTheKernelForAStoppedClient) {
  GrowingBlob blob(patterned(10'000'000));
  serve(blob);
  const auto client = connect(32 << 10);
  client->read(false);
  client->get("/");
  ASSERT_TRUE(turn_until([&] { return counters_.client_bytes_sent > 0; }));
  turn_for(milliseconds(50));
  EXPECT_LT(counters_.client_bytes_sent, 1'000'000u);
}

TEST_F(BlobBodiesTest, ContinuesWhenAStoppedClientReadsAgain) {
  GrowingBlob blob(patterned(10'000'000));
  serve(blob);
  const auto client = connect(32 << 10);
  client->read(false);
  client->get("/");
  ASSERT_TRUE(turn_until([&] { return blob.readers() == 1; }));
  turn_for(milliseconds(5));
  client->read(true);
  EXPECT_TRUE(answer_of(*client).body == blob.bytes());
}

TEST_F(BlobBodiesTest, SendsBytesThatArriveWhileTheSocketIsFull) {
  GrowingBlob blob(patterned(10'000'000), 5'000'000);
  serve(blob);
  const auto client = connect(32 << 10);
  client->read(false);
  client->get("/");
  ASSERT_TRUE(turn_until([&] { return blob.readers() == 1; }));
  turn_for(milliseconds(5));
  blob.grow_to(10'000'000);
  client->read(true);
  EXPECT_TRUE(answer_of(*client).body == blob.bytes());
}

TEST_F(BlobBodiesTest, LetsAReaderCallBackInsideListen) {
  GrowingBlob blob(patterned(1000));
  blob.in_listen(GrowingBlob::InListen::kTells);
  serve(blob);
  const auto client = connect();
  for (int i = 0; i < 2; ++i) {
    client->get("/");
    EXPECT_EQ(answer_of(*client).body, blob.bytes());
  }
}

TEST_F(BlobBodiesTest, LetsAReaderFailInsideListen) {
  GrowingBlob blob(patterned(1000));
  blob.in_listen(GrowingBlob::InListen::kFails);
  serve(blob);
  const auto client = connect();
  client->get("/");
  EXPECT_TRUE(ends(*client));
  EXPECT_EQ(client->received(), "");
}

TEST_F(BlobBodiesTest, DestroysReadersWithTheServer) {
  GrowingBlob blob(patterned(1000), 10);
  serve(blob);
  const auto client = connect();
  client->get("/");
  ASSERT_TRUE(turn_until([&] { return blob.readers() == 1; }));
  server_.reset();
  EXPECT_EQ(blob.readers(), 0u);
}

}  // namespace
}  // namespace layby::testing
