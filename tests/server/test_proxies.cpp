// SPDX-License-Identifier: Apache-2.0
//
// Tests clients behind trusted proxies, and the limits of one client: a number of connections and a
// rate of requests. The proxies of these tests have the address 127.0.0.1.

#include <string>
#include <vector>

#include "layby/base/ip_address.h"
#include "server/client_limits.h"
#include "server/server_test.h"

namespace layby::testing {
namespace {

const std::string kV2Header =
    std::string("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\x0a\0\0\x01\x80\0\x13\x88", 28);

class ProxiesTest : public ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    handler_.answer = [](const server::Request& request) {
      EXPECT_EQ(to_string(request.client.ip), request.client.address);
      return text_response(request.client.address);
    };
    limits_.trusted_proxies = {"127.0.0.1"};
  }
  static std::string line(const std::string& client) {
    return "PROXY TCP4 " + client + " 10.0.0.1 51234 5000\r\n";
  }
  // Sends a request of `client` through `proxy`, with X-Forwarded-For. Returns the answer's status.
  int status_of(Client& proxy, const std::string& client, const std::string& path = "/") {
    proxy.get(path, "X-Forwarded-For: " + client + "\r\n");
    return answer_of(proxy).status;
  }
};

TEST_F(ProxiesTest, AProxyProtocolLineNamesTheClient) {
  start();
  const auto proxy = connect();
  proxy->send(line("192.0.2.1"));
  proxy->get("/");
  EXPECT_EQ(answer_of(*proxy).body, "192.0.2.1");
  proxy->get("/");
  EXPECT_EQ(answer_of(*proxy).body, "192.0.2.1") << "for the whole connection";
}

TEST_F(ProxiesTest, ABinaryProxyHeaderNamesTheClient) {
  start();
  const auto proxy = connect();
  proxy->send(kV2Header + "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(answer_of(*proxy).body, "192.0.2.1");
}

TEST_F(ProxiesTest, AProxyHeaderMayComeByteByByte) {
  start();
  for (const std::string& header : {line("192.0.2.1"), kV2Header}) {
    const auto proxy = connect();
    for (const char byte : header) {
      proxy->send({&byte, 1});
      turn_for(milliseconds(1));
    }
    proxy->get("/");
    EXPECT_EQ(answer_of(*proxy).body, "192.0.2.1");
  }
}

TEST_F(ProxiesTest, XForwardedForNamesTheClientOfEachRequest) {
  start();
  const auto proxy = connect();
  for (const std::string client : {"192.0.2.1", "2001:db8::1"}) {
    proxy->get("/", "X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: " + client + "\r\n");
    EXPECT_EQ(answer_of(*proxy).body, client);
  }
  proxy->get("/");
  EXPECT_EQ(answer_of(*proxy).body, "127.0.0.1") << "the proxy's own request";
}

TEST_F(ProxiesTest, XForwardedForOfAClientBehindTheProxyProtocolDoesNotCount) {
  start();
  const auto proxy = connect();
  proxy->send(line("192.0.2.1"));
  proxy->get("/", "X-Forwarded-For: 198.51.100.1\r\n");
  EXPECT_EQ(answer_of(*proxy).body, "192.0.2.1");
}

TEST_F(ProxiesTest, NobodyElseIsBelieved) {
  limits_.trusted_proxies = {"192.0.2.0/24"};
  start();
  const auto client = connect();
  client->get("/", "X-Forwarded-For: 198.51.100.1\r\n");
  EXPECT_EQ(answer_of(*client).body, "127.0.0.1");
  client->send(line("198.51.100.1"));
  EXPECT_EQ(answer_of(*client).status, 400);
}

TEST_F(ProxiesTest, AWrongProxyHeaderClosesTheConnection) {
  start();
  const auto proxy = connect();
  proxy->send("PROXY TCP4 nobody\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(ends(*proxy));
  EXPECT_TRUE(handler_.seen.empty());
  EXPECT_TRUE(turn_until([&] { return server_->connections() == 0; }));
}

TEST_F(ProxiesTest, ASilentProxyIsClosedInTime) {
  limits_.request_timeout = milliseconds(50);
  start();
  const auto silent = connect();
  const auto half = connect();
  half->send("PROXY TCP4 192");
  EXPECT_TRUE(ends(*silent));
  EXPECT_TRUE(ends(*half));
  EXPECT_EQ(server_->connections(), 0u);
}

TEST_F(ProxiesTest, AProxyThatEndsInItsHeaderIsClosed) {
  start();
  const auto proxy = connect();
  proxy->send("PROXY TCP4 192");
  proxy->end_sending();
  EXPECT_TRUE(ends(*proxy));
}

TEST_F(ProxiesTest, ASilentProxyCountsAsAConnection) {
  limits_.max_connections = 1;
  start();
  const auto silent = connect();
  ASSERT_TRUE(turn_until([&] { return server_->connections() == 1; }));
  const auto next = connect();
  EXPECT_EQ(answer_of(*next).status, 503);
}

TEST_F(ProxiesTest, DrainDoesNotWaitForASilentProxy) {
  start();
  const auto silent = connect();
  ASSERT_TRUE(turn_until([&] { return server_->connections() == 1; }));
  bool drained = false;
  server_->drain([&] { drained = true; });
  EXPECT_TRUE(turn_until([&] { return drained; }));
}

TEST_F(ProxiesTest, AProxyHasNoLimitOfConnections) {
  limits_.max_connections_per_client = 1;
  start();
  const auto first = connect();
  const auto second = connect();
  EXPECT_EQ(status_of(*first, "192.0.2.1"), 200);
  EXPECT_EQ(status_of(*second, "192.0.2.2"), 200);
}

TEST_F(ProxiesTest, AClientBehindTheProxyProtocolHasALimitOfConnections) {
  limits_.max_connections_per_client = 1;
  start();
  const auto first = connect();
  first->send(line("192.0.2.1"));
  first->get("/");
  EXPECT_EQ(answer_of(*first).status, 200);
  const auto second = connect();
  second->send(line("192.0.2.1"));
  EXPECT_EQ(answer_of(*second).status, 503);
  const auto other = connect();
  other->send(line("192.0.2.2"));
  other->get("/");
  EXPECT_EQ(answer_of(*other).status, 200);
}

TEST_F(ProxiesTest, AClientInXForwardedForHasALimitOfRequestsAtOneTime) {
  limits_.max_connections_per_client = 1;
  const auto answer = std::exchange(handler_.answer, nullptr);
  start();
  const auto first = connect();
  const auto second = connect();
  first->get("/", "X-Forwarded-For: 192.0.2.1\r\n");
  ASSERT_TRUE(turn_until([&] { return handler_.waiting() == 1; }));
  EXPECT_EQ(status_of(*second, "192.0.2.1", "/v2/"), 503);
  handler_.respond(text_response("first"));
  EXPECT_EQ(answer_of(*first).body, "first");
  handler_.answer = answer;
  EXPECT_EQ(status_of(*second, "192.0.2.1"), 200) << "the place is free again";
}

TEST_F(ProxiesTest, TheRateOfOneClientStopsNobodyElse) {
  limits_.rate_per_client = 1;
  limits_.burst_per_client = 2;
  start();
  const auto proxy = connect();
  EXPECT_EQ(status_of(*proxy, "192.0.2.1"), 200);
  EXPECT_EQ(status_of(*proxy, "192.0.2.1"), 200);
  EXPECT_EQ(status_of(*proxy, "192.0.2.1"), 429);
  EXPECT_EQ(status_of(*proxy, "192.0.2.2"), 200);
  proxy->get("/");
  EXPECT_EQ(answer_of(*proxy).status, 200) << "the proxy itself has no rate";
}

TEST_F(ProxiesTest, A429SaysWhenToComeBack) {
  limits_.trusted_proxies.clear();
  limits_.rate_per_client = 2;
  limits_.burst_per_client = 1;
  start();
  const auto client = connect();
  client->get("/v2/");
  EXPECT_EQ(answer_of(*client).status, 200);
  client->get("/v2/");
  const Answer refusal = answer_of(*client);
  EXPECT_EQ(refusal.status, 429);
  EXPECT_EQ(refusal.header("Retry-After"), "30");
  EXPECT_NE(refusal.body.find("TOOMANYREQUESTS"), std::string::npos) << refusal.body;
  EXPECT_NE(refusal.body.find("limits.rate_per_client"), std::string::npos) << refusal.body;
  client->get("/stats");
  EXPECT_EQ(answer_of(*client).body.substr(0, 7), "layby: ");
}

TEST_F(ProxiesTest, AProxyThatIsTrustedNoMoreIsAClient) {
  limits_.rate_per_client = 1;
  limits_.burst_per_client = 1;
  start();
  const auto proxy = connect();
  EXPECT_EQ(status_of(*proxy, "192.0.2.1"), 200);
  limits_.trusted_proxies.clear();
  server_->set_limits(limits_);
  proxy->get("/", "X-Forwarded-For: 192.0.2.2\r\n");
  EXPECT_EQ(answer_of(*proxy).body, "127.0.0.1");
  EXPECT_EQ(status_of(*proxy, "192.0.2.3"), 429) << "the proxy has the rate of a client";
}

TEST_F(ProxiesTest, ANewProxyIsTrustedFromItsNextConnectionOn) {
  limits_.trusted_proxies.clear();
  start();
  limits_.trusted_proxies = {"127.0.0.0/8"};
  server_->set_limits(limits_);
  const auto proxy = connect();
  proxy->get("/", "X-Forwarded-For: 192.0.2.1\r\n");
  EXPECT_EQ(answer_of(*proxy).body, "192.0.2.1");
}

TEST_F(ProxiesTest, AChangedRateCountsForOpenConnections) {
  start();
  const auto proxy = connect();
  EXPECT_EQ(status_of(*proxy, "192.0.2.1"), 200);
  limits_.rate_per_client = 1;
  limits_.burst_per_client = 1;
  server_->set_limits(limits_);
  EXPECT_EQ(status_of(*proxy, "192.0.2.1"), 200);
  EXPECT_EQ(status_of(*proxy, "192.0.2.1"), 429);
}

TEST_F(ProxiesTest, AChangedNumberOfConnectionsCountsForNewOnes) {
  start();
  const auto first = connect();
  first->send(line("192.0.2.1"));
  first->get("/");
  EXPECT_EQ(answer_of(*first).status, 200);
  limits_.max_connections_per_client = 1;
  server_->set_limits(limits_);
  const auto second = connect();
  second->send(line("192.0.2.1"));
  EXPECT_EQ(answer_of(*second).status, 503);
  first->get("/");
  EXPECT_EQ(answer_of(*first).status, 200);
}

TEST_F(ProxiesTest, TheOperatorHasNoRate) {
  limits_.rate_per_client = 1;
  limits_.burst_per_client = 1;
  server::ClientLimits limits(limits_, clock_);
  server::Request request;
  request.client.is_local = true;
  server::ClientPlace place;
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(limits.judge(request, place).has_value());
}

TEST_F(ProxiesTest, TheAddressesOfANetworkOf64BitsShareTheirPlaces) {
  limits_.max_connections_per_client = 1;
  server::ClientLimits limits(limits_, clock_);
  const auto place = [&](const std::string& address) {
    server::ClientInfo client;
    limits.name(client, parse_ip_address(address).value());
    return limits.place_for(client);
  };
  auto first = place("2001:db8:1:1::1");
  EXPECT_TRUE(first.has_value());
  EXPECT_FALSE(place("2001:db8:1:1::2").has_value());
  EXPECT_TRUE(place("2001:db8:1:2::1").has_value());
  EXPECT_EQ(limits.clients(), 1u) << "a place that is given back is forgotten";
  first.reset();
  EXPECT_EQ(limits.clients(), 0u);
}

}  // namespace
}  // namespace layby::testing
