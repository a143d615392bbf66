// SPDX-License-Identifier: Apache-2.0
//
// The limits that keep one client from hurting another: deadlines, numbers of connections,
// and a drain that ends. The deadlines here are short; the tests check the order of events,
// not the times.

#include <sys/resource.h>

#include <string>

#include "layby/base/log.h"
#include "server/server_test.h"

namespace layby::testing {
namespace {

class LimitsTest : public ServerTest {};

TEST_F(LimitsTest, Answers408ToAHeadThatDoesNotEnd) {
  limits_.request_timeout = milliseconds(50);
  start();
  const auto client = connect();
  client->send("GET / HTTP/1.1\r\nHost: a\r\n");
  EXPECT_EQ(answer_of(*client).status, 408);
  EXPECT_TRUE(ends(*client));
  EXPECT_FALSE(client->was_reset());
  EXPECT_EQ(counters_.connections_timed_out, 1u);
}

TEST_F(LimitsTest, Answers408ToAHeadThatDrips) {
  limits_.request_timeout = milliseconds(100);
  start();
  const auto client = connect();
  client->send("GET / HTTP/1.1\r\nHost: a\r\n");
  EXPECT_TRUE(turn_until([&] {
    client->send("A: b\r\n");
    return client->has_head();
  }));
  EXPECT_EQ(answer_of(*client).status, 408);
}

TEST_F(LimitsTest, ClosesAClientThatSendsNothing) {
  limits_.request_timeout = milliseconds(50);
  start();
  const auto client = connect();
  EXPECT_TRUE(ends(*client));
  EXPECT_EQ(client->received(), "");
}

TEST_F(LimitsTest, ClosesAnIdleConnection) {
  limits_.idle_timeout = milliseconds(50);
  start();
  const auto client = connect();
  client->get("/");
  EXPECT_EQ(answer_of(*client).status, 200);
  EXPECT_TRUE(ends(*client));
  EXPECT_FALSE(client->was_reset());
  EXPECT_TRUE(turn_until([&] { return server_->connections() == 0; }));
}

TEST_F(LimitsTest, AConnectionIsNotIdleWhileItsRequestIsHandled) {
  limits_.idle_timeout = limits_.request_timeout = limits_.stall_timeout = milliseconds(20);
  handler_.answer = nullptr;
  start();
  const auto client = connect();
  client->get("/");
  ASSERT_TRUE(turn_until([&] { return handler_.waiting() == 1; }));
  turn_for(milliseconds(100));
  handler_.respond(text_response("late"));
  EXPECT_EQ(answer_of(*client).body, "late");
}

TEST_F(LimitsTest, ClosesAStalledClientWhileAnotherIsServed) {
  GrowingBlob blob(patterned(10'000'000));
  handler_.answer = [&](const server::Request&) { return blob.response(); };
  limits_.stall_timeout = milliseconds(100);
  start();
  const auto stalled = connect(32 << 10);
  stalled->read(false);
  stalled->get("/");
  ASSERT_TRUE(turn_until([&] { return blob.readers() == 1; }));
  const auto served = connect();
  int answers = 0;
  EXPECT_TRUE(turn_until([&] {
    served->get("/");
    EXPECT_TRUE(answer_of(*served).body == blob.bytes());
    ++answers;
    return server_->connections() == 1;
  }));
  EXPECT_GT(answers, 0);
  EXPECT_EQ(counters_.connections_timed_out, 1u);
  EXPECT_EQ(blob.readers(), 0u);
}

TEST_F(LimitsTest, DoesNotBlameAClientForABlobThatStalls) {
  GrowingBlob blob(patterned(1000), 10);
  handler_.answer = [&](const server::Request&) { return blob.response(); };
  limits_.stall_timeout = milliseconds(20);
  start();
  const auto client = connect();
  client->get("/");
  ASSERT_TRUE(turn_until([&] { return client->body_bytes() == 10; }));
  turn_for(milliseconds(100));
  blob.grow_to(1000);
  EXPECT_TRUE(answer_of(*client).body == blob.bytes());
}

TEST_F(LimitsTest, Answers503AboveTheConnectionLimit) {
  limits_.max_connections = 2;
  start();
  const auto first = connect();
  const auto second = connect();
  ASSERT_TRUE(turn_until([&] { return server_->connections() == 2; }));
  const auto third = connect();
  third->get("/");
  const Answer answer = answer_of(*third);
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.header("Retry-After"), "1");
  EXPECT_EQ(answer.body, "layby: too many connections\n");
  EXPECT_TRUE(ends(*third));
  EXPECT_FALSE(third->was_reset());
  EXPECT_EQ(counters_.connections_refused, 1u);
  first->get("/");
  EXPECT_EQ(answer_of(*first).status, 200);
}

TEST_F(LimitsTest, AcceptsAConnectionAfterAnotherHasClosed) {
  limits_.max_connections = 1;
  start();
  auto first = connect();
  ASSERT_TRUE(turn_until([&] { return server_->connections() == 1; }));
  first->close();
  ASSERT_TRUE(turn_until([&] { return server_->connections() == 0; }));
  const auto second = connect();
  second->get("/");
  EXPECT_EQ(answer_of(*second).status, 200);
}

TEST_F(LimitsTest, Answers503AboveTheLimitPerClient) {
  limits_.max_connections_per_client = 1;
  start();
  const auto first = connect();
  ASSERT_TRUE(turn_until([&] { return server_->connections() == 1; }));
  const auto second = connect();
  second->get("/");
  EXPECT_EQ(answer_of(*second).status, 503);
  first->close();
  ASSERT_TRUE(turn_until([&] { return server_->connections() == 0; }));
  const auto third = connect();
  third->get("/");
  EXPECT_EQ(answer_of(*third).status, 200);
}

TEST_F(LimitsTest, Answers431ToAHeadAboveTheLimit) {
  limits_.header_bytes = 1000;
  start();
  const auto client = connect();
  client->get("/", "Cookie: " + std::string(100'000, 'c') + "\r\n");
  EXPECT_EQ(answer_of(*client).status, 431);
  EXPECT_TRUE(ends(*client));
}

TEST_F(LimitsTest, DrainClosesIdleConnections) {
  start();
  const auto idle = connect();
  idle->get("/");
  EXPECT_EQ(answer_of(*idle).status, 200);
  bool drained = false;
  server_->drain([&] { drained = true; });
  EXPECT_FALSE(drained) << "not inside the call";
  EXPECT_TRUE(turn_until([&] { return drained; }));
  EXPECT_TRUE(ends(*idle));
}

TEST_F(LimitsTest, DrainWithoutAConnectionIsDoneAtOnce) {
  start();
  bool drained = false;
  server_->drain([&] { drained = true; });
  EXPECT_TRUE(turn_until([&] { return drained; }));
}

TEST_F(LimitsTest, DrainLetsABodyFinish) {
  GrowingBlob blob(patterned(1000), 10);
  handler_.answer = [&](const server::Request&) { return blob.response(); };
  start();
  const auto client = connect();
  client->get("/");
  ASSERT_TRUE(turn_until([&] { return client->body_bytes() == 10; }));
  bool drained = false;
  server_->drain([&] { drained = true; });
  turn_for(milliseconds(5));
  EXPECT_FALSE(drained);
  blob.grow_to(1000);
  EXPECT_TRUE(answer_of(*client).body == blob.bytes());
  EXPECT_TRUE(ends(*client));
  EXPECT_TRUE(turn_until([&] { return drained; }));
}

TEST_F(LimitsTest, DrainLetsAHandledRequestBeAnswered) {
  handler_.answer = nullptr;
  start();
  const auto client = connect();
  client->get("/");
  ASSERT_TRUE(turn_until([&] { return handler_.waiting() == 1; }));
  bool drained = false;
  server_->drain([&] { drained = true; });
  handler_.respond(text_response("last"));
  const Answer answer = answer_of(*client);
  EXPECT_EQ(answer.body, "last");
  EXPECT_EQ(answer.header("Connection"), "close");
  EXPECT_TRUE(turn_until([&] { return drained; }));
}

TEST_F(LimitsTest, DrainAcceptsNoNewConnection) {
  handler_.answer = nullptr;
  start();
  const auto busy = connect();
  busy->get("/");
  ASSERT_TRUE(turn_until([&] { return handler_.waiting() == 1; }));
  server_->drain([] {});
  const auto late = connect();
  late->get("/");
  EXPECT_TRUE(ends(*late));
  EXPECT_EQ(late->received(), "");
}

TEST_F(LimitsTest, TheServerMayBeDestroyedInTheDrainedCallback) {
  start();
  const auto client = connect();
  ASSERT_TRUE(turn_until([&] { return server_->connections() == 1; }));
  server_->drain([&] { server_.reset(); });
  EXPECT_TRUE(turn_until([&] { return server_ == nullptr; }));
}

TEST_F(LimitsTest, ChangedLimitsCountForOpenConnections) {
  start();
  const auto client = connect();
  client->get("/");
  ASSERT_EQ(answer_of(*client).status, 200);
  limits_.header_bytes = 1024;
  limits_.max_connections = 1;
  server_->set_limits(limits_);
  client->send("GET / HTTP/1.1\r\nX: " + std::string(2000, 'a'));
  EXPECT_EQ(answer_of(*client).status, 431);
}

TEST_F(LimitsTest, StopListeningAcceptsWhoHasConnectedAndNobodyElse) {
  start();
  const auto before = connect();
  before->get("/");
  server_->stop_listening(address_);
  EXPECT_EQ(answer_of(*before).status, 200);
  const auto after = connect();
  EXPECT_TRUE(ends(*after));
  EXPECT_EQ(counters_.connections_accepted, 1u);
}

// While a Scarce exists, the process can open no descriptor.
class Scarce {
 public:
  Scarce() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const UniqueFd lowest_free(::dup(0));
    rlimit now = before_;
    now.rlim_cur = static_cast<rlim_t>(lowest_free.get());
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &now), 0);
  }
  ~Scarce() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(LimitsTest, PausesAcceptingWhileThereAreNoDescriptors) {
  start();
  log::start("error");
  const auto client = connect();
  client->get("/");
  ::testing::internal::CaptureStderr();
  {
    const Scarce scarce;
    turn_for(milliseconds(150));
  }
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(counters_.connections_accepted, 0u);
  std::size_t complaints = 0;
  for (std::size_t at = 0; (at = said.find("raise the limit", at)) != std::string::npos; ++at) {
    ++complaints;
  }
  EXPECT_GE(complaints, 1u);
  EXPECT_LE(complaints, 3u) << "it tries ten times a second, not at every turn";
  EXPECT_EQ(answer_of(*client).status, 200);
}

}  // namespace
}  // namespace layby::testing
