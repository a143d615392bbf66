// SPDX-License-Identifier: Apache-2.0
//
// Tests which addresses a registry may send us to. Every server of these tests listens on loopback.
// Layby doesn't know the address of a registry that it asks through a proxy, so such a registry
// counts as a registry on the internet. NO_PROXY exempts loopback from the proxy, so redirects to
// loopback don't go through the proxy.

#include <atomic>
#include <cstdlib>

#include "upstream/reach.h"
#include "upstream/registry_fixture.h"

namespace layby::upstream {
namespace {

constexpr std::string_view kSetting = "set upstreams[].allow_private_redirects";

class ReachTest : public RegistryTest {
 protected:
  ReachTest() {
    for (const char* name : {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
                             "no_proxy", "NO_PROXY"}) {
      ::unsetenv(name);
    }
    ::setenv("no_proxy", "127.0.0.1,localhost,::1", 1);
  }
  ~ReachTest() override { ::unsetenv("no_proxy"); }

  // Connects to a registry that counts as a registry on the internet. The registry redirects blobs
  // to `to`. If `realm` is given, the registry asks for a token from `realm`.
  void connect_far(std::string to, std::string realm = "") {
    to_ = std::move(to);
    realm_ = std::move(realm);
    options_.proxy = proxy_.url();
    connect("http://registry.invalid");
  }
  // Serves a registry on loopback that redirects every request to `to`.
  void serve_near(const std::string& to) { serve_reply(307, {{"Location", to}}); }

  void expect_refused(const Status& status, std::string_view reason) {
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, ErrorCode::kInvalid) << message(status);
    EXPECT_NE(message(status).find(reason), std::string::npos) << message(status);
    EXPECT_TRUE(inside_.requests().empty());
  }

  std::string to_;
  std::string realm_;
  const std::vector<std::uint16_t> own_ports_;
  TinyHttpServer inside_{
      [](const SeenRequest&, Peer& peer) { peer.reply(200, {}, R"({"token":"secret"})"); }};
  TinyHttpServer proxy_{[this](const SeenRequest& request, Peer& peer) {
    if (!realm_.empty() && !request.headers.get("authorization")) {
      return peer.reply(401, {{"WWW-Authenticate", "Bearer realm=\"" + realm_ + "\""}});
    }
    peer.reply(307, {{"Location", to_}});
  }};
};

TEST_F(ReachTest, FollowsNoRedirectFromFarAwayToLoopback) {
  connect_far(inside_.url() + "/secret");
  const Status end = get_blob();
  expect_refused(end, "sends us to 127.0.0.1, a loopback address");
  EXPECT_NE(message(end).find(kSetting), std::string::npos) << message(end);
  EXPECT_EQ(inside_.accepted(), 0) << "the address must be refused before a connection";
  EXPECT_EQ(sink_.starts, 0);
}

TEST_F(ReachTest, FollowsNoNameThatMeansLoopback) {
  connect_far("http://localhost:" + std::to_string(inside_.port()) + "/secret");
  expect_refused(get_blob(), "a loopback address");
  EXPECT_EQ(inside_.accepted(), 0);
}

TEST_F(ReachTest, AsksNoTokenServerOnLoopbackForARegistryFarAway) {
  connect_far("", inside_.url() + "/token");
  expect_refused(get_blob(), "sends us to 127.0.0.1, a loopback address");
  EXPECT_EQ(inside_.accepted(), 0);
}

// The first registry leaves an idle connection. Without a check, curl would reuse this connection
// for the redirect of the second registry.
TEST_F(ReachTest, UsesNoIdleConnectionOfAnotherRegistry) {
  connect(inside_.url());
  ASSERT_TRUE(get_manifest().ok());
  connect_far(inside_.url() + "/secret");
  const Status end = get_blob();
  ASSERT_FALSE(end.ok());
  EXPECT_NE(message(end).find("a loopback address"), std::string::npos) << message(end);
  EXPECT_EQ(inside_.count("/secret"), 0u);
  EXPECT_EQ(inside_.accepted(), 1);
}

TEST_F(ReachTest, FollowsWhereTheSettingAllows) {
  options_.allow_private_redirects = true;
  connect_far(inside_.url() + "/blob", inside_.url() + "/token");
  const Status end = get_blob();
  EXPECT_TRUE(end.ok()) << message(end);
  EXPECT_EQ(inside_.count("/token"), 1u);
  EXPECT_EQ(inside_.count("/blob"), 1u);
}

TEST_F(ReachTest, ARegistryOnThisMachineMaySendUsToThisMachine) {
  serve_near(inside_.url() + "/blob");
  const Status end = get_blob();
  EXPECT_TRUE(end.ok()) << message(end);
}

TEST_F(ReachTest, ForgetsTheAddressOfARegistryThatMoved) {
  Reach reach({http::parse_url("http://registry.example").value(), "", false}, own_ports_);
  const auto registry = http::parse_url("http://registry.example/v2/").value();
  const auto elsewhere = http::parse_url("http://other.example/").value();
  const SocketAddress loopback{parse_ip_address("127.0.0.1").value(), 80};
  const SocketAddress far{parse_ip_address("1.1.1.1").value(), 80};
  EXPECT_NE(reach.refusal(elsewhere, loopback), "");
  reach.note_answer(registry, loopback);
  EXPECT_EQ(reach.refusal(elsewhere, loopback), "");
  reach.note_answer(elsewhere, far);
  EXPECT_EQ(reach.refusal(elsewhere, loopback), "") << "another host's address says nothing";
  reach.note_answer(registry, far);
  EXPECT_NE(reach.refusal(elsewhere, loopback), "");
  EXPECT_EQ(reach.refusal(registry, loopback), "") << "the operator named the registry";
}

TEST_F(ReachTest, NobodyMaySendUsToAddressesOfNoHostOrOfTheLink) {
  options_.allow_private_redirects = true;
  for (const char* to : {"http://0.0.0.0:1/x", "http://[::]:1/x", "http://169.254.169.254/latest",
                         "http://224.0.0.1/x", "http://[ff02::1]/x", "http://255.255.255.255/x"}) {
    sink_ = {};
    serve_near(to);
    const Status end = get_blob();
    expect_refused(end, "sends us to ");
    EXPECT_EQ(message(end).find(kSetting), std::string::npos)
        << "the setting doesn't help: " << message(end);
  }
}

TEST_F(ReachTest, NobodyMaySendUsToOurOwnListeners) {
  options_.allow_private_redirects = true;
  multi_->add_own_port(inside_.port());
  serve_near(inside_.url() + "/v2/");
  expect_refused(get_blob(), "sends us to 127.0.0.1, where Layby itself serves");
  EXPECT_EQ(inside_.accepted(), 0);
}

TEST_F(ReachTest, LeavesRequestsThroughAProxyToTheProxy) {
  to_ = "http://cdn.invalid/blob";
  options_.proxy = proxy_.url();
  connect("http://registry.invalid");
  EXPECT_FALSE(get_blob().ok()) << "the proxy redirects for ever";
  ASSERT_GE(proxy_.requests().size(), 2u);
  EXPECT_EQ(proxy_.requests()[1].target, "http://cdn.invalid/blob");
}

// NO_PROXY exempts the target from the proxy. The target has the port of the proxy, so Layby could
// mistake the target for the proxy.
TEST_F(ReachTest, TakesNoTargetWithTheProxysPortForTheProxy) {
  ::setenv("http_proxy", ("http://proxy.example:" + std::to_string(inside_.port())).c_str(), 1);
  Reach reach({http::parse_url("http://registry.example").value(), "", false}, own_ports_);
  const SocketAddress inside{parse_ip_address("127.0.0.1").value(), inside_.port()};
  EXPECT_NE(reach.refusal(http::parse_url(inside_.url()).value(), inside), "");
  EXPECT_EQ(reach.refusal(http::parse_url("http://other.example/").value(), inside), "");
  const auto registry = http::parse_url("http://registry.example/v2/").value();
  reach.note_answer(registry, inside);
  ::unsetenv("http_proxy");
  EXPECT_NE(reach.refusal(http::parse_url(inside_.url()).value(), inside), "")
      << "an answer of the proxy says nothing about the registry's address";
}

TEST_F(ReachTest, TakesEachSocketWithTheProxysPortForTheProxyWithoutNoProxy) {
  ::unsetenv("no_proxy");
  Reach reach({http::parse_url("https://registry.example").value(), "https://proxy.example", false},
              own_ports_);
  const SocketAddress proxy{parse_ip_address("10.0.0.1").value(), 443};
  EXPECT_EQ(reach.refusal(http::parse_url("https://cdn.example/").value(), proxy), "");
  ::setenv("no_proxy", "intern.example", 1);
  EXPECT_NE(reach.refusal(http::parse_url("https://cdn.example/").value(), proxy), "");
}

TEST_F(ReachTest, ReadsTheProxysPortAsCurlDoes) {
  EXPECT_EQ(proxy_port("http://proxy:3128"), 3128);
  EXPECT_EQ(proxy_port("http://user:pass@proxy:3128/"), 3128);
  EXPECT_EQ(proxy_port("proxy:8080"), 8080);
  EXPECT_EQ(proxy_port("[::1]:8080"), 8080);
  EXPECT_EQ(proxy_port("socks5h://[::1]"), 1080);
  EXPECT_EQ(proxy_port("proxy"), 1080);
  EXPECT_EQ(proxy_port("https://proxy"), 443);
}

}  // namespace
}  // namespace layby::upstream
