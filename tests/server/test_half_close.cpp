// SPDX-License-Identifier: Apache-2.0
//
// Tests clients that end their direction of the connection (half-close) after the request. A client
// with a half-closed connection gets its whole answer. A client that closes its socket looks the
// same to the server at first, and is dropped as soon as the server notices the difference.

#include <string>

#include "server/server_test.h"

namespace layby::testing {
namespace {

class HalfCloseTest : public ServerTest {
 protected:
  // Returns a client that has sent a request and then ended its direction of the connection.
  std::unique_ptr<Client> half_closed(const std::string& path = "/") {
    auto client = connect();
    client->get(path);
    client->end_sending();
    return client;
  }
  bool waits() {
    return turn_until([&] { return handler_.waiting() == 1; });
  }
};

TEST_F(HalfCloseTest, ABlobComesWhole) {
  GrowingBlob blob(patterned(3 << 20));
  handler_.answer = [&](const server::Request&) { return blob.response(); };
  start();
  const auto client = half_closed();
  EXPECT_TRUE(answer_of(*client).body == blob.bytes());
  EXPECT_TRUE(ends(*client));
  EXPECT_FALSE(client->was_reset());
}

TEST_F(HalfCloseTest, ABlobComesWholeToASlowClient) {
  GrowingBlob blob(patterned(3 << 20));
  handler_.answer = [&](const server::Request&) { return blob.response(); };
  start();
  const auto client = connect(64 << 10);
  client->read(false);
  client->get("/");
  ASSERT_TRUE(turn_until([&] { return counters_.client_bytes_sent > 0; }));
  client->end_sending();
  turn_for(milliseconds(10));
  client->read(true);
  EXPECT_TRUE(answer_of(*client).body == blob.bytes());
}

TEST_F(HalfCloseTest, AGrowingBlobComesWhole) {
  GrowingBlob blob(patterned(100'000), 10);
  handler_.answer = [&](const server::Request&) { return blob.response(); };
  start();
  const auto client = half_closed();
  ASSERT_TRUE(turn_until([&] { return client->body_bytes() == 10; }));
  blob.grow_to(100'000);
  EXPECT_TRUE(answer_of(*client).body == blob.bytes());
}

TEST_F(HalfCloseTest, ALateAnswerComesWhole) {
  handler_.answer = nullptr;
  start();
  const auto client = half_closed();
  ASSERT_TRUE(waits());
  ASSERT_TRUE(turn_until([&] { return client->received() == Client::kInterim; }));
  turn_for(milliseconds(150));
  handler_.respond(text_response("late"));
  EXPECT_EQ(answer_of(*client).body, "late");
  EXPECT_TRUE(ends(*client));
  EXPECT_EQ(handler_.dropped, 0);
}

TEST_F(HalfCloseTest, RequestsInAdvanceAreAllAnswered) {
  start();
  const auto client = connect();
  client->get("/1");
  client->get("/2");
  client->end_sending();
  EXPECT_EQ(answer_of(*client).body, "you asked for /1");
  EXPECT_EQ(answer_of(*client).body, "you asked for /2");
  EXPECT_TRUE(ends(*client));
}

TEST_F(HalfCloseTest, ARequestInAdvanceMayBeAnsweredLate) {
  handler_.answer = nullptr;
  start();
  const auto client = connect();
  client->get("/1");
  client->get("/2");
  client->end_sending();
  ASSERT_TRUE(waits());
  handler_.respond(text_response("one"));
  EXPECT_EQ(answer_of(*client).body, "one");
  ASSERT_TRUE(waits());
  handler_.respond(text_response("two"));
  EXPECT_EQ(answer_of(*client).body, "two");
}

TEST_F(HalfCloseTest, HalfARequestIsNotWaitedFor) {
  start();
  const auto client = connect();
  client->send("GET / HTTP/1.1\r\n");
  client->end_sending();
  EXPECT_TRUE(ends(*client));
  EXPECT_TRUE(turn_until([&] { return server_->connections() == 0; }));
}

TEST_F(HalfCloseTest, AClientOfHttp10IsDroppedWhileTheHandlerWorks) {
  handler_.answer = nullptr;
  start();
  const auto client = connect();
  client->send("GET / HTTP/1.0\r\n\r\n");
  ASSERT_TRUE(waits());
  client->close();
  EXPECT_TRUE(turn_until([&] { return handler_.dropped == 1; }));
}

TEST_F(HalfCloseTest, AClientThatLeavesAGrowingBlobIsDroppedAtItsNextBytes) {
  GrowingBlob blob(patterned(1 << 20), 10);
  handler_.answer = [&](const server::Request&) { return blob.response(); };
  start();
  const auto client = connect();
  client->get("/");
  ASSERT_TRUE(turn_until([&] { return client->body_bytes() == 10; }));
  client->close();
  for (std::uint64_t bytes = 11; blob.readers() > 0 && bytes < 1'000; ++bytes) {
    turn_for(milliseconds(1));
    blob.grow_to(bytes);
  }
  EXPECT_EQ(blob.readers(), 0u);
  EXPECT_TRUE(turn_until([&] { return server_->connections() == 0; }));
}

}  // namespace
}  // namespace layby::testing
