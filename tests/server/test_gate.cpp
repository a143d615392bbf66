// SPDX-License-Identifier: Apache-2.0
//
// A gate names the sender of a request or refuses the request, before the handler sees it.

#include "layby/server/gate.h"

#include "server/server_test.h"
#include "support/temp_dir.h"

namespace layby::testing {
namespace {

// Runs `rule` on each request.
class ScriptedGate final : public server::Gate {
 public:
  std::function<std::optional<server::Response>(server::Request&)> rule;
  int judged = 0;

  std::optional<server::Response> judge(server::Request& request) override {
    ++judged;
    return rule(request);
  }
};

class GateTest : public ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    gate_ = &scripted_;
    scripted_.rule = [](server::Request&) { return std::nullopt; };
  }
  // Refuses the path "/secret".
  void guard_secret() {
    scripted_.rule = [](server::Request& request) -> std::optional<server::Response> {
      if (request.path != "/secret") return std::nullopt;
      auto refusal = text_response("who are you?", 401);
      refusal.headers.add("WWW-Authenticate", "Basic");
      return refusal;
    };
  }

  ScriptedGate scripted_;
};

TEST_F(GateTest, LetsARequestPass) {
  start();
  const auto client = connect();
  client->get("/a");
  EXPECT_EQ(answer_of(*client).body, "you asked for /a");
  EXPECT_EQ(scripted_.judged, 1);
  EXPECT_EQ(handler_.seen.at(0).client.user, "");
}

TEST_F(GateTest, NamesTheUserToTheHandler) {
  scripted_.rule = [](server::Request& request) -> std::optional<server::Response> {
    request.client.user = std::string(request.headers.get("X-User").value_or(""));
    request.client.certificate = "CN=" + request.client.user;
    return std::nullopt;
  };
  start();
  const auto client = connect();
  client->get("/", "X-User: ann\r\n");
  EXPECT_EQ(answer_of(*client).status, 200);
  EXPECT_EQ(handler_.seen.at(0).client.user, "ann");
  EXPECT_EQ(handler_.seen.at(0).client.certificate, "CN=ann");
  EXPECT_EQ(handler_.seen.at(0).client.address, "127.0.0.1");
}

TEST_F(GateTest, ANameDoesNotReachTheNextRequest) {
  scripted_.rule = [](server::Request& request) -> std::optional<server::Response> {
    if (request.path == "/1") request.client.user = "ann";
    return std::nullopt;
  };
  start();
  const auto client = connect();
  for (const char* path : {"/1", "/2"}) {
    client->get(path);
    EXPECT_EQ(answer_of(*client).status, 200);
  }
  EXPECT_EQ(handler_.seen.at(1).client.user, "");
}

TEST_F(GateTest, RefusesBeforeTheHandlerSeesTheRequest) {
  guard_secret();
  start();
  const auto client = connect();
  client->get("/secret");
  const Answer answer = answer_of(*client);
  EXPECT_EQ(answer.status, 401);
  EXPECT_EQ(answer.body, "who are you?");
  EXPECT_EQ(answer.header("WWW-Authenticate"), "Basic");
  EXPECT_TRUE(handler_.seen.empty());
}

TEST_F(GateTest, ARefusalKeepsTheConnectionAndIsCounted) {
  guard_secret();
  start();
  const auto client = connect();
  client->get("/secret");
  EXPECT_EQ(answer_of(*client).header("Connection"), "keep-alive");
  client->get("/open");
  EXPECT_EQ(answer_of(*client).body, "you asked for /open");
  EXPECT_EQ(counters_.requests, 2u);
  EXPECT_EQ(counters_.request_errors, 1u);
  EXPECT_EQ(counters_.connections_accepted, 1u);
}

TEST_F(GateTest, ARefusalOfHeadHasNoBody) {
  guard_secret();
  start();
  const auto client = connect();
  client->send("HEAD /secret HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(answer_of(*client, true).header("Content-Length"), "12");
  client->get("/open");
  EXPECT_EQ(answer_of(*client).body, "you asked for /open") << "nothing stood between the answers";
}

TEST_F(GateTest, ARefusedRequestWithABodyEndsTheConnection) {
  guard_secret();
  start();
  const auto client = connect();
  client->send("PUT /secret HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_EQ(answer_of(*client).status, 401);
  EXPECT_TRUE(ends(*client));
  EXPECT_FALSE(client->was_reset());
}

TEST_F(GateTest, DoesNotSeeAHeadThatTheServerRefuses) {
  start();
  const auto client = connect();
  client->send("NOT HTTP\r\n\r\n");
  EXPECT_EQ(answer_of(*client).status, 400);
  EXPECT_EQ(scripted_.judged, 0);
}

TEST_F(GateTest, SeesThatARequestCameOverTheUnixSocket) {
  bool local = false;
  scripted_.rule = [&local](server::Request& request) -> std::optional<server::Response> {
    local = request.client.is_local;
    return std::nullopt;
  };
  const TempDir folder;
  make_server();
  ASSERT_TRUE(server_->listen_unix(folder.path() + "/layby.sock").ok());
  Client client(*loop_, folder.path() + "/layby.sock");
  client.get("/");
  EXPECT_EQ(answer_of(client).status, 200);
  EXPECT_TRUE(local);
}

}  // namespace
}  // namespace layby::testing
