// SPDX-License-Identifier: Apache-2.0
//
// Which client a parent is told in X-Forwarded-For, and that no other server is told a client.

#include <atomic>

#include "upstream/registry_fixture.h"

namespace layby::upstream {
namespace {

const IpAddress kAnna = *parse_ip_address("192.0.2.1");
const IpAddress kBen = *parse_ip_address("192.0.2.2");

class ToldClientsTest : public RegistryTest {
 protected:
  ToldClientsTest() {
    options_.ns = "docker.io";
    options_.box = "this-box";
  }
  // Makes a server that answers every request with 404.
  void serve_nothing() { serve_reply(404); }
  // The client that `request` names; "" for none.
  static std::string told(const SeenRequest& request) { return request.header("x-forwarded-for"); }
  // The clients that the requests to the server have named, in order.
  std::vector<std::string> all_told() const {
    std::vector<std::string> all;
    for (const SeenRequest& request : server_->requests()) all.push_back(told(request));
    return all;
  }
  // Asks for a list of tags on behalf of `clients`, and returns which client the server was told.
  std::string told_for(std::vector<IpAddress> clients) {
    registry_->on_behalf_of(std::make_shared<const std::vector<IpAddress>>(std::move(clients)));
    (void)get_tags();
    return told(server_->requests().back());
  }
};

TEST_F(ToldClientsTest, EachKindOfRequestTellsItsClient) {
  serve_nothing();
  registry_->on_behalf_of(kAnna);
  (void)head_manifest();
  registry_->on_behalf_of(kAnna);
  (void)get_manifest();
  registry_->on_behalf_of(kAnna);
  (void)head_blob();
  registry_->on_behalf_of(kAnna);
  (void)get_tags();
  registry_->on_behalf_of(kAnna);
  (void)get_referrers();
  sink_.waiting = {kAnna};
  (void)get_blob();
  EXPECT_EQ(all_told(), std::vector<std::string>(6, "192.0.2.1"));
}

TEST_F(ToldClientsTest, RegistryIsToldNoClient) {
  options_.ns = "";
  serve_nothing();
  EXPECT_EQ(told_for({kAnna}), "");
  sink_.waiting = {kAnna};
  (void)get_blob();
  EXPECT_EQ(told(server_->requests().back()), "");
}

TEST_F(ToldClientsTest, FirstClientIsTold) {
  serve_nothing();
  EXPECT_EQ(told_for({kBen, kAnna}), "192.0.2.2");
}

TEST_F(ToldClientsTest, NetworkOfAnIpv6ClientIsTold) {
  serve_nothing();
  const IpAddress client = counted_address(*parse_ip_address("2001:db8:1:2:3:4:5:6"));
  EXPECT_EQ(told_for({client}), "2001:db8:1:2::");
}

TEST_F(ToldClientsTest, OwnRequestsOfTheBoxTellNoClient) {
  serve_nothing();
  EXPECT_EQ(told_for({}), "");
  EXPECT_EQ(told_for({IpAddress()}), "");
  (void)get_blob();
  bool answered = false;
  const auto ping = registry_->ping(10s, [&](const Status&) { answered = true; });
  ASSERT_TRUE(turn([&] { return answered; }));
  EXPECT_EQ(all_told(), std::vector<std::string>(4, ""));
}

TEST_F(ToldClientsTest, ClientOnTheBoxItselfIsNotTold) {
  serve_nothing();
  EXPECT_EQ(told_for({*parse_ip_address("127.0.0.1")}), "");
  EXPECT_EQ(told_for({*parse_ip_address("::1")}), "");
}

TEST_F(ToldClientsTest, ClientIsToldForOneRequestOnly) {
  serve_nothing();
  EXPECT_EQ(told_for({kAnna}), "192.0.2.1");
  (void)get_tags();
  EXPECT_EQ(told(server_->requests().back()), "");
}

TEST_F(ToldClientsTest, HedgeTellsTheClientForWhichItIsSent) {
  std::atomic<int> gets{0};
  serve([&](const SeenRequest&, Peer& peer) {
    if (gets++ == 0) return peer.hang();
    peer.reply(200, {}, "content");
  });
  sink_.waiting = {kAnna};
  transfer_ = registry_->get_blob(kRepository, digest_, 0, sink_);
  ASSERT_TRUE(turn([&] { return gets == 1; }));
  sink_.waiting = {kBen};
  ASSERT_TRUE(transfer_->hedge());
  ASSERT_TRUE(turn([&] { return sink_.ended(); }));
  EXPECT_EQ(all_told(), (std::vector<std::string>{"192.0.2.1", "192.0.2.2"}));
}

TEST_F(ToldClientsTest, GetThatReplacesARefusedHeadTellsTheClientToo) {
  serve([](const SeenRequest& request, Peer& peer) {
    request.method == "HEAD" ? peer.reply(405) : peer.reply(200, {}, "{}");
  });
  registry_->on_behalf_of(kAnna);
  ASSERT_TRUE(head_manifest().ok());
  EXPECT_EQ(all_told(), std::vector<std::string>(2, "192.0.2.1"));
}

TEST_F(ToldClientsTest, TargetOfARedirectIsToldNoClient) {
  TinyHttpServer other([](const SeenRequest&, Peer& peer) { peer.reply(200, {}, "content"); });
  for (const std::string host : {"127.0.0.1", "localhost"}) {
    const std::string to = "http://" + host + ":" + std::to_string(other.port()) + "/signed";
    serve_reply(307, {{"Location", to}});
    sink_ = {};
    sink_.waiting = {kAnna};
    ASSERT_TRUE(get_blob().ok());
    EXPECT_EQ(told(server_->requests().back()), "192.0.2.1");
    EXPECT_EQ(other.requests().back().headers.count("x-forwarded-for"), 0u) << host;
    EXPECT_EQ(other.requests().back().header("cdn-loop"), "this-box") << "other headers go on";
  }
}

TEST_F(ToldClientsTest, RedirectToTheParentItselfTellsNoClient) {
  serve([](const SeenRequest& request, Peer& peer) {
    if (request.target == "/here") return peer.reply(200, {}, "content");
    peer.reply(307, {{"Location", "/here"}});
  });
  sink_.waiting = {kAnna};
  ASSERT_TRUE(get_blob().ok());
  EXPECT_EQ(all_told(), (std::vector<std::string>{"192.0.2.1", ""}));
}

TEST_F(ToldClientsTest, EachRequestOfAChainOfRedirectsTellsNoClient) {
  TinyHttpServer other([](const SeenRequest& request, Peer& peer) {
    if (request.target == "/last") return peer.reply(200, {}, "content");
    peer.reply(302, {{"Location", "/last"}});
  });
  serve_reply(307, {{"Location", other.url() + "/first"}});
  sink_.waiting = {kAnna};
  ASSERT_TRUE(get_blob().ok());
  for (const SeenRequest& request : other.requests()) EXPECT_EQ(told(request), "");
  EXPECT_EQ(other.requests().size(), 2u);
}

TEST_F(ToldClientsTest, TokenServerIsToldNoClient) {
  serve([this](const SeenRequest& request, Peer& peer) {
    if (request.target.starts_with("/token")) return peer.reply(200, {}, R"({"token":"secret"})");
    if (request.header("authorization").empty()) {
      return peer.reply(401,
                        {{"WWW-Authenticate", "Bearer realm=\"" + server_->url() + "/token\""}});
    }
    peer.reply(200, {}, R"({"name":"x","tags":[]})");
  });
  registry_->on_behalf_of(kAnna);
  ASSERT_TRUE(get_tags().ok());
  EXPECT_EQ(all_told(), (std::vector<std::string>{"192.0.2.1", "", "192.0.2.1"}));
}

TEST_F(ToldClientsTest, ParentThatRefusesOneClientHasDeclined) {
  serve_reply(429, {{"Retry-After", "7"}});
  registry_->on_behalf_of(kAnna);
  const auto named = get_tags();
  EXPECT_EQ(named.error().code, ErrorCode::kThrottled);
  EXPECT_TRUE(named.error().declined);
  const auto own = get_tags();
  EXPECT_EQ(own.error().code, ErrorCode::kThrottled);
  EXPECT_FALSE(own.error().declined) << "the whole box is refused";
}

TEST_F(ToldClientsTest, TooManyRequestsElsewhereAreNoRefusalOfTheClient) {
  TinyHttpServer other([](const SeenRequest&, Peer& peer) { peer.reply(429); });
  serve_reply(307, {{"Location", other.url() + "/signed"}});
  sink_.waiting = {kAnna};
  const Status end = get_blob();
  EXPECT_EQ(end.error().code, ErrorCode::kThrottled);
  EXPECT_FALSE(end.error().declined);
}

}  // namespace
}  // namespace layby::upstream
