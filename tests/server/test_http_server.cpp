// SPDX-License-Identifier: Apache-2.0
//
// Requests and answers over real sockets: the answer to each kind of request, and whether
// the connection stays open.

#include <algorithm>
#include <cstdlib>

#include "layby/http/date.h"
#include "server/server_test.h"

namespace layby::testing {
namespace {

class HttpServerTest : public ServerTest {};

TEST_F(HttpServerTest, AnswersARequest) {
  start();
  const auto client = connect();
  client->get("/a?b=c");
  const Answer answer = answer_of(*client);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "you asked for /a");
  EXPECT_EQ(answer.header("Content-Length"), "16");
  EXPECT_EQ(answer.header("Server"), "layby");
  EXPECT_TRUE(http::parse_date(answer.header("Date")).has_value());
  EXPECT_EQ(handler_.seen.at(0).query, "b=c");
}

TEST_F(HttpServerTest, SendsTheHandlersHeaders) {
  handler_.answer = [](const server::Request&) {
    auto response = text_response("{}");
    response.headers.add("Content-Type", "application/json");
    response.headers.add("ETag", "\"e\"\r\nSet-Cookie: smuggled");
    return response;
  };
  start();
  const auto client = connect();
  client->get("/");
  const Answer answer = answer_of(*client);
  EXPECT_EQ(answer.header("Content-Type"), "application/json");
  EXPECT_EQ(answer.header("ETag"), "\"e\"");
  EXPECT_EQ(answer.headers.count("Set-Cookie"), 0u);
}

TEST_F(HttpServerTest, EndsAHeaderAtEitherHalfOfALineBreak) {
  std::string value;
  handler_.answer = [&value](const server::Request&) {
    auto response = text_response("{}");
    response.headers.add("ETag", value);
    return response;
  };
  start();
  const auto client = connect();
  for (const std::string half : {"\r", "\n"}) {
    value = "\"e\"" + half + "more";
    client->get("/");
    EXPECT_EQ(answer_of(*client).header("ETag"), "\"e\"");
  }
}

TEST_F(HttpServerTest, KeepsTheConnectionForTheNextRequest) {
  start();
  const auto client = connect();
  for (int i = 0; i < 3; ++i) {
    client->get("/" + std::to_string(i));
    const Answer answer = answer_of(*client);
    EXPECT_EQ(answer.body, "you asked for /" + std::to_string(i));
    EXPECT_EQ(answer.header("Connection"), "keep-alive");
  }
  EXPECT_EQ(counters_.connections_accepted, 1u);
  EXPECT_EQ(counters_.requests, 3u);
}

TEST_F(HttpServerTest, ClosesWhenTheClientWantsIt) {
  start();
  const auto client = connect();
  client->get("/", "Connection: close\r\n");
  EXPECT_EQ(answer_of(*client).header("Connection"), "close");
  EXPECT_TRUE(ends(*client));
  EXPECT_FALSE(client->was_reset());
  EXPECT_TRUE(turn_until([&] { return server_->connections() == 0; }));
}

TEST_F(HttpServerTest, ClosesAfterHttp10) {
  start();
  const auto client = connect();
  client->send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_EQ(answer_of(*client).status, 200);
  EXPECT_TRUE(ends(*client));
}

TEST_F(HttpServerTest, ReadsAHeadThatComesByteByByte) {
  start();
  const auto client = connect();
  for (const char byte : std::string("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")) {
    client->send({&byte, 1});
    turn_for(milliseconds(1));
  }
  EXPECT_EQ(answer_of(*client).body, "you asked for /slow");
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  start();
  const auto client = connect();
  std::string requests;
  for (int i = 0; i < 50; ++i) {
    requests += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\n\r\n";
  }
  client->send(requests);
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(answer_of(*client).body, "you asked for /" + std::to_string(i));
  }
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsThatAreHandledLater) {
  handler_.answer = nullptr;
  start();
  const auto client = connect();
  client->get("/1");
  client->get("/2");
  ASSERT_TRUE(turn_until([&] { return handler_.waiting() == 1; }));
  turn_for(milliseconds(5));
  ASSERT_EQ(handler_.seen.size(), 1u) << "one at a time";
  handler_.respond(text_response("one"));
  EXPECT_EQ(answer_of(*client).body, "one");
  ASSERT_TRUE(turn_until([&] { return handler_.waiting() == 1; }));
  handler_.respond(text_response("two"));
  EXPECT_EQ(answer_of(*client).body, "two");
  EXPECT_EQ(handler_.seen.at(1).path, "/2");
}

TEST_F(HttpServerTest, StopsReadingFromAClientThatSendsFarAhead) {
  handler_.answer = nullptr;
  start();
  const auto client = connect();
  std::string requests;
  while (requests.size() < (16u << 20)) requests += "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  client->send(requests);
  ASSERT_TRUE(turn_until([&] { return handler_.waiting() == 1; }));
  // After each answer the server reads little more than the bytes of the answered request.
  for (int i = 0; i < 100; ++i) {
    handler_.respond(text_response("x"));
    ASSERT_TRUE(turn_until([&] { return handler_.waiting() == 1; }));
    turn_for(milliseconds(1));
  }
  const std::size_t before = client->unsent_bytes();
  for (int i = 0; i < 100; ++i) {
    handler_.respond(text_response("x"));
    ASSERT_TRUE(turn_until([&] { return handler_.waiting() == 1; }));
    turn_for(milliseconds(1));
  }
  EXPECT_LT(before - client->unsent_bytes(), 64u << 10);
}

TEST_F(HttpServerTest, AnswersHeadWithoutTheBody) {
  start();
  const auto client = connect();
  client->send("HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n");
  const Answer head = answer_of(*client, true);
  EXPECT_EQ(head.header("Content-Length"), "16");
  client->get("/b");
  EXPECT_EQ(answer_of(*client).body, "you asked for /b") << "nothing stood between the answers";
}

TEST_F(HttpServerTest, AnswersHeadOfABlobWithoutTheBody) {
  GrowingBlob blob(patterned(1000));
  handler_.answer = [&](const server::Request&) { return blob.response(); };
  start();
  const auto client = connect();
  client->send("HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(answer_of(*client, true).header("Content-Length"), "1000");
  client->get("/b");
  EXPECT_EQ(answer_of(*client).body, blob.bytes());
}

TEST_F(HttpServerTest, AnswersHeadWithTheLengthOfGet) {
  handler_.answer = [](const server::Request&) {
    server::Response response;
    response.body = server::NoBody{5'000'000'000};
    return response;
  };
  start();
  const auto client = connect();
  client->send("HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(answer_of(*client, true).header("Content-Length"), "5000000000");
}

TEST_F(HttpServerTest, Answers304WithoutABody) {
  handler_.answer = [](const server::Request& request) {
    if (request.path == "/b") return text_response("b");
    server::Response response;
    response.status = 304;
    response.body = server::NoBody{};
    return response;
  };
  start();
  const auto client = connect();
  client->get("/a");
  const Answer answer = answer_of(*client);
  EXPECT_EQ(answer.status, 304);
  EXPECT_EQ(answer.headers.count("Content-Length"), 0u);
  client->get("/b");
  EXPECT_EQ(answer_of(*client).body, "b");
}

TEST_F(HttpServerTest, AnswersAnEmptyBodyWithItsLength) {
  handler_.answer = [](const server::Request&) { return text_response(""); };
  start();
  const auto client = connect();
  client->get("/");
  EXPECT_EQ(answer_of(*client).header("Content-Length"), "0");
  client->get("/");
  EXPECT_EQ(answer_of(*client).status, 200);
}

TEST_F(HttpServerTest, SendsATextLargerThanTheSocketBuffer) {
  const std::string text = patterned(5'000'000);
  handler_.answer = [&](const server::Request&) { return text_response(text); };
  limits_.send_buffer_bytes = 16 << 10;
  start();
  const auto client = connect();
  client->get("/");
  EXPECT_TRUE(answer_of(*client).body == text);
  client->get("/");
  EXPECT_TRUE(answer_of(*client).body == text);
}

TEST_F(HttpServerTest, AnswersWhenTheHandlerRespondsLater) {
  handler_.answer = nullptr;
  start();
  const auto client = connect();
  client->get("/");
  ASSERT_TRUE(turn_until([&] { return handler_.waiting() == 1; }));
  handler_.respond(text_response("late"));
  EXPECT_EQ(answer_of(*client).body, "late");
  EXPECT_EQ(handler_.dropped, 0);
}

TEST_F(HttpServerTest, DropsTheHandleWhenTheClientLeaves) {
  handler_.answer = nullptr;
  start();
  const auto client = connect();
  client->get("/");
  ASSERT_TRUE(turn_until([&] { return handler_.waiting() == 1; }));
  client->close();
  EXPECT_TRUE(turn_until([&] { return handler_.dropped == 1; }));
  EXPECT_TRUE(turn_until([&] { return server_->connections() == 0; }));
}

TEST_F(HttpServerTest, RefusesARequestItCantReadAndCloses) {
  start();
  const auto client = connect();
  client->send("NOT HTTP\r\n\r\nand much more of it");
  EXPECT_EQ(answer_of(*client).status, 400);
  EXPECT_TRUE(ends(*client));
  EXPECT_FALSE(client->was_reset());
  EXPECT_TRUE(handler_.seen.empty());
  EXPECT_EQ(counters_.request_errors, 1u);
}

TEST_F(HttpServerTest, LingersAfterARefusalThatFollowsAnAnswer) {
  start();
  const auto client = connect();
  client->get("/a");
  EXPECT_EQ(answer_of(*client).status, 200);
  client->send("NOT HTTP\r\n\r\n");
  EXPECT_EQ(answer_of(*client).status, 400);
  EXPECT_TRUE(ends(*client));
  EXPECT_EQ(server_->connections(), 1u) << "it lingers, as after any refusal";
  client->close();
  EXPECT_TRUE(turn_until([&] { return server_->connections() == 0; }));
}

TEST_F(HttpServerTest, RefusesATlsHelloAtOnce) {
  start();
  const auto client = connect();
  client->send(std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11));
  EXPECT_EQ(answer_of(*client).status, 400);
  EXPECT_TRUE(ends(*client));
}

TEST_F(HttpServerTest, AnswersAPutWithoutAReset) {
  handler_.answer = [](const server::Request&) { return text_response("no pushes", 405); };
  start();
  const auto client = connect();
  client->read(false);
  client->send("PUT /v2/a/manifests/b HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
  client->send(std::string(1'000'000, 'b'));
  ASSERT_TRUE(turn_until([&] { return client->unsent_bytes() == 0; }));
  client->read(true);
  const Answer answer = answer_of(*client);
  EXPECT_EQ(answer.status, 405);
  EXPECT_EQ(answer.body, "no pushes");
  EXPECT_EQ(answer.header("Connection"), "close");
  EXPECT_TRUE(ends(*client));
  EXPECT_FALSE(client->was_reset());
  client->close();
  EXPECT_TRUE(turn_until([&] { return server_->connections() == 0; }));
  EXPECT_EQ(handler_.seen.size(), 1u) << "the body is no request";
}

TEST_F(HttpServerTest, DestroysBusyConnectionsWithTheServer) {
  handler_.answer = nullptr;
  start();
  const auto client = connect();
  client->get("/");
  ASSERT_TRUE(turn_until([&] { return handler_.waiting() == 1; }));
  server_.reset();
  EXPECT_EQ(handler_.dropped, 1);
  EXPECT_TRUE(ends(*client));
}

}  // namespace
}  // namespace layby::testing
