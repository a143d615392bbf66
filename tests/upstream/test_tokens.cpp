// SPDX-License-Identifier: Apache-2.0
//
// Challenges, tokens and credentials, with a registry that asks for a Bearer token and
// a token server beside it.

#include <atomic>

#include "upstream/registry_fixture.h"

namespace layby::upstream {
namespace {

// Basic of "user:secret".
constexpr std::string_view kBasic = "Basic dXNlcjpzZWNyZXQ=";

class TokensTest : public RegistryTest {
 protected:
  // The registry accepts only the latest token, "Bearer token-<n>". The token server is `realm`,
  // or the registry's own server when `realm` is empty.
  void serve_with_tokens(std::string realm = "") {
    serve([this, realm](const SeenRequest& request, Peer& peer) {
      if (request.target.starts_with("/token")) return on_token(request, peer);
      if (request.header("authorization") == "Bearer token-" + std::to_string(valid_)) {
        return peer.reply(200, {{"Content-Type", "application/json"}}, "{}");
      }
      const std::string where = realm.empty() ? server_->url() + "/token" : realm;
      peer.reply(401,
                 {{"WWW-Authenticate", "Bearer realm=\"" + where +
                                           "\",service=\"hub\",scope=\"repository:" +
                                           repository_of(request) + ":pull\""}},
                 "{}");
    });
  }
  void on_token(const SeenRequest&, Peer& peer) {
    if (hold_tokens_) gate_.wait();
    peer.reply(200, {},
               "{\"token\":\"token-" + std::to_string(++valid_) + "\",\"expires_in\":300}");
  }
  static std::string repository_of(const SeenRequest& request) {
    const auto end = request.target.find("/manifests/");
    return request.target.substr(4, end - 4);
  }
  std::size_t tokens() const { return server_->count("/token"); }

  std::atomic<int> valid_{0};
  std::atomic<bool> hold_tokens_{false};
  Gate gate_;
};

TEST_F(TokensTest, SendsNoNsToTheTokenServer) {
  options_.ns = "ghcr.io";
  serve_with_tokens();
  ASSERT_TRUE(get_manifest().ok());
  const auto seen = server_->requests();
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_EQ(seen[0].target, kManifestTarget + "?ns=ghcr.io");
  EXPECT_TRUE(seen[1].target.starts_with("/token?")) << seen[1].target;
  EXPECT_EQ(seen[1].target.find("ns="), std::string::npos) << seen[1].target;
  EXPECT_EQ(seen[2].target, kManifestTarget + "?ns=ghcr.io");
}

TEST_F(TokensTest, AnswersAChallengeWithATokenOfThatScope) {
  serve_with_tokens();
  EXPECT_TRUE(get_manifest().ok());
  const auto asked = server_->requests("/token");
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].target, "/token?service=hub&scope=repository:library/debian:pull");
  EXPECT_EQ(asked[0].header("authorization"), "");
}

TEST_F(TokensTest, ReusesATokenWithoutAnother401) {
  serve_with_tokens();
  ASSERT_TRUE(get_manifest().ok());
  ASSERT_TRUE(get_manifest().ok());
  ASSERT_TRUE(get_manifest().ok());
  EXPECT_EQ(tokens(), 1u);
  EXPECT_EQ(server_->count("/v2/"), 4u);
  EXPECT_EQ(counters_.upstream_manifest_gets, 4u);
  EXPECT_EQ(counters_.upstream_token_gets, 1u);
}

TEST_F(TokensTest, FetchesOneTokenForEachRepository) {
  serve([](const SeenRequest& request, Peer& peer) {
    if (request.target.starts_with("/token")) {
      const auto scope = request.target.substr(request.target.find("scope=") + 6);
      return peer.reply(200, {}, "{\"access_token\":\"" + scope + "\"}");
    }
    const std::string scope = "repository:" + repository_of(request) + ":pull";
    if (request.header("authorization") == "Bearer " + scope) return peer.reply(200, {}, "{}");
    peer.reply(401, {{"WWW-Authenticate", "Bearer realm=\"http://" + request.header("host") +
                                              "/token\",service=\"hub\",scope=\"" + scope + "\""}});
  });
  EXPECT_TRUE(get_manifest("library/debian").ok());
  EXPECT_TRUE(get_manifest("library/alpine").ok());
  EXPECT_TRUE(get_manifest("library/debian").ok());
  EXPECT_EQ(tokens(), 2u);
}

TEST_F(TokensTest, SharesOneTokenBetweenTwoConcurrentRequests) {
  hold_tokens_ = true;
  serve_with_tokens();
  int done = 0;
  const auto count_ok = [&](const Result<cache::ManifestBody>& result) {
    EXPECT_TRUE(result.ok());
    ++done;
  };
  const auto one = registry_->get_manifest(kRepository, kTag, count_ok);
  const auto two = registry_->get_manifest(kRepository, kTag, count_ok);
  ASSERT_TRUE(turn([&] { return server_->count("/v2/") == 2 && tokens() == 1; }));
  gate_.open();
  ASSERT_TRUE(turn([&] { return done == 2; }));
  EXPECT_EQ(tokens(), 1u);
}

TEST_F(TokensTest, KeepsFetchingATokenForTheOthersWhenOneGivesUp) {
  hold_tokens_ = true;
  serve_with_tokens();
  int done = 0;
  const auto count = [&](const Result<cache::ManifestBody>&) { ++done; };
  auto one = registry_->get_manifest(kRepository, kTag, count);
  const auto two = registry_->get_manifest(kRepository, kTag, count);
  ASSERT_TRUE(turn([&] { return server_->count("/v2/") == 2 && tokens() == 1; }));
  // Both requests wait for the same token, even after the second request has read its 401.
  ASSERT_FALSE(turn([&] { return tokens() > 1 || done > 0; }, 200ms));
  one.reset();
  gate_.open();
  ASSERT_TRUE(turn([&] { return done == 1; }));
  EXPECT_EQ(tokens(), 1u);
}

TEST_F(TokensTest, SurvivesAWaiterThatDropsAnother) {
  hold_tokens_ = true;
  serve([this](const SeenRequest& request, Peer& peer) {
    if (request.target.starts_with("/token")) {
      gate_.wait();
      return peer.reply(500);
    }
    peer.reply(401, {{"WWW-Authenticate", "Bearer realm=\"" + server_->url() + "/token\""}});
  });
  int done = 0;
  Handle one;
  Handle two;
  one = registry_->get_manifest(kRepository, kTag, [&](const auto&) { ++done, two.reset(); });
  two = registry_->get_manifest(kRepository, kTag, [&](const auto&) { ++done, one.reset(); });
  ASSERT_TRUE(turn([&] { return server_->count("/v2/") == 2 && tokens() == 1; }));
  gate_.open();
  ASSERT_TRUE(turn([&] { return done > 0; }));
  EXPECT_EQ(done, 1);
}

TEST_F(TokensTest, CancelsAHangingTokenFetchWithItsLastWaiter) {
  std::atomic<int> calls{0};
  serve([this, &calls](const SeenRequest& request, Peer& peer) {
    if (request.target.starts_with("/token") && calls++ == 0) return peer.hang();
    if (request.target.starts_with("/token")) return on_token(request, peer);
    if (request.headers.get("authorization")) return peer.reply(200, {}, "{}");
    peer.reply(401, {{"WWW-Authenticate", "Bearer realm=\"" + server_->url() + "/token\""}});
  });
  const auto hung = head_manifest(kRepository, 300ms);
  ASSERT_FALSE(hung.ok());
  EXPECT_EQ(hung.error().code, ErrorCode::kTimedOut);
  EXPECT_EQ(hung.error().extent, Extent::kRepository);
  EXPECT_TRUE(get_manifest().ok());
}

// A captive portal answers for the registry until somebody logs in.
TEST_F(TokensTest, ForgetsAChallengeWhoseTokenCantBeHad) {
  std::atomic<bool> portal{true};
  std::string realm;
  serve([&](const SeenRequest& request, Peer& peer) {
    if (request.target.starts_with("/refuses")) return peer.reply(403);
    if (request.target.starts_with("/no-token")) return peer.reply(200, {}, "<html>");
    if (request.target.starts_with("/hangs")) return peer.hang();
    if (!portal) return peer.reply(200, {}, "{}");
    peer.reply(401, {{"WWW-Authenticate", "Bearer realm=\"" + realm + "\""}});
  });
  for (const std::string& dead :
       {std::string("http://127.0.0.1:1/token"), server_->url() + "/refuses",
        server_->url() + "/no-token", server_->url() + "/hangs"}) {
    portal = true;
    realm = dead;
    ASSERT_FALSE(head_manifest(kRepository, 500ms).ok()) << dead;
    portal = false;
    const auto manifest = get_manifest();
    EXPECT_TRUE(manifest.ok()) << dead << ": " << manifest.error().message;
    EXPECT_EQ(server_->requests("/v2/").back().header("authorization"), "");
  }
}

TEST_F(TokensTest, ForgetsTheChallengeOfATokenThatCantBeRenewed) {
  std::atomic<bool> portal{true};
  serve([&](const SeenRequest& request, Peer& peer) {
    if (request.target.starts_with("/token")) {
      return portal ? on_token(request, peer) : peer.reply(404);
    }
    if (!portal || request.headers.get("authorization")) return peer.reply(200, {}, "{}");
    peer.reply(401, {{"WWW-Authenticate", "Bearer realm=\"" + server_->url() + "/token\""}});
  });
  ASSERT_TRUE(get_manifest().ok());
  portal = false;
  clock_.advance(400s);
  const auto manifest = get_manifest();
  EXPECT_TRUE(manifest.ok()) << manifest.error().message;
  EXPECT_EQ(server_->requests("/v2/").back().header("authorization"), "");
}

TEST_F(TokensTest, NeedsNo401ForAnotherRepository) {
  serve_with_tokens();
  ASSERT_TRUE(get_manifest("library/debian").ok());
  ASSERT_TRUE(get_manifest("library/alpine").ok());
  const auto asked = server_->requests("/token");
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_EQ(asked[1].target, "/token?service=hub&scope=repository:library/alpine:pull");
  EXPECT_EQ(server_->count("/v2/"), 3u);
}

TEST_F(TokensTest, LearnsTheTokenServerFromAPing) {
  serve_with_tokens();
  std::optional<Status> answer;
  const auto ping = registry_->ping(10s, [&](Status status) { answer = status; });
  ASSERT_TRUE(turn([&] { return answer.has_value(); }));
  EXPECT_TRUE(answer->ok());
  ASSERT_TRUE(get_manifest().ok());
  EXPECT_EQ(tokens(), 1u);
  EXPECT_EQ(server_->count("/v2/"), 2u);
  EXPECT_EQ(server_->accepted(), 1) << "the ping leaves an open connection";
}

TEST_F(TokensTest, GreetsTheRegistryOnce) {
  serve_with_tokens();
  registry_->greet();
  ASSERT_TRUE(turn([&] { return server_->count("/v2/") == 1 && server_->ended() == 0; }));
  ASSERT_FALSE(turn([&] { return server_->count("") > 1; }, 50ms));
  ASSERT_TRUE(get_manifest().ok());
  EXPECT_EQ(server_->count("/v2/"), 2u);
}

TEST_F(TokensTest, CanEndDuringItsGreeting) {
  serve([](const SeenRequest&, Peer& peer) { peer.hang(); });
  registry_->greet();
  ASSERT_TRUE(turn([&] { return server_->count("/v2/") == 1; }));
  registry_.reset();
  ASSERT_TRUE(turn([&] { return server_->ended() == 1; }));
}

TEST_F(TokensTest, FollowsTheRegistryToAnotherTokenServer) {
  std::atomic<bool> moved{false};
  serve([&](const SeenRequest& request, Peer& peer) {
    const std::string good = moved ? "/new" : "/old";
    if (request.target.starts_with("/old") || request.target.starts_with("/new")) {
      return peer.reply(200, {}, "{\"token\":\"" + request.target.substr(1, 3) + "\"}");
    }
    if (request.header("authorization") == "Bearer " + good.substr(1)) {
      return peer.reply(200, {}, "{}");
    }
    peer.reply(401, {{"WWW-Authenticate", "Bearer realm=\"" + server_->url() + good + "\""}});
  });
  ASSERT_TRUE(get_manifest("library/debian").ok());
  moved = true;
  ASSERT_TRUE(get_manifest("library/alpine").ok());
  ASSERT_TRUE(get_manifest("library/busybox").ok());
  EXPECT_EQ(server_->count("/old"), 2u) << "the second time, the registry names the new server";
  EXPECT_EQ(server_->count("/new"), 2u);
}

TEST_F(TokensTest, AsksWithoutATokenWhenARememberedTokenServerFails) {
  std::atomic<bool> portal{true};
  serve([&](const SeenRequest& request, Peer& peer) {
    if (request.target.starts_with("/token")) {
      return portal ? on_token(request, peer) : peer.reply(403);
    }
    if (!portal || request.headers.get("authorization")) return peer.reply(200, {}, "{}");
    peer.reply(401, {{"WWW-Authenticate", "Bearer realm=\"" + server_->url() + "/token\""}});
  });
  ASSERT_TRUE(get_manifest("library/debian").ok());
  portal = false;
  EXPECT_TRUE(get_manifest("library/alpine").ok());
  EXPECT_TRUE(get_manifest("library/busybox").ok());
  EXPECT_EQ(tokens(), 2u) << "the token server is forgotten for all repositories";
}

TEST_F(TokensTest, AsksNoMoreWhenARememberedTokenServerAsksForQuiet) {
  std::atomic<bool> throttles{false};
  serve([&](const SeenRequest& request, Peer& peer) {
    if (request.target.starts_with("/token")) {
      return throttles ? peer.reply(429, {{"Retry-After", "7"}}) : on_token(request, peer);
    }
    if (request.headers.get("authorization")) return peer.reply(200, {}, "{}");
    peer.reply(401, {{"WWW-Authenticate", "Bearer realm=\"" + server_->url() + "/token\""}});
  });
  ASSERT_TRUE(get_manifest("library/debian").ok());
  throttles = true;
  const auto failed = get_manifest("library/alpine");
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code, ErrorCode::kThrottled);
  EXPECT_EQ(failed.error().extent, Extent::kRepository);
  EXPECT_EQ(tokens(), 2u);
  EXPECT_EQ(server_->count("/v2/"), 2u);
  EXPECT_TRUE(get_manifest("library/debian").ok()) << "debian's token is still good";
}

TEST_F(TokensTest, FetchesNoSecondTokenWhenANewTokenIsRefused) {
  std::atomic<bool> denies{false};
  serve([&](const SeenRequest& request, Peer& peer) {
    if (request.target.starts_with("/token")) return on_token(request, peer);
    if (!denies && request.headers.get("authorization")) return peer.reply(200, {}, "{}");
    peer.reply(401, {{"WWW-Authenticate", "Bearer realm=\"" + server_->url() + "/token\""}});
  });
  ASSERT_TRUE(get_manifest("library/debian").ok());
  denies = true;
  const auto denied = get_manifest("library/private");
  ASSERT_FALSE(denied.ok());
  EXPECT_EQ(denied.error().code, ErrorCode::kDenied);
  EXPECT_EQ(tokens(), 2u);
  EXPECT_EQ(server_->count("/v2/library/private"), 1u);
}

TEST_F(TokensTest, AsksForNoMoreThanThePullOfItsRepository) {
  for (const char* scope :
       {"repository:library/debian:pull,push", "repository:other:pull", "registry:catalog:*", ""}) {
    serve([&, scope](const SeenRequest& request, Peer& peer) {
      if (request.target.starts_with("/token")) return on_token(request, peer);
      if (request.headers.get("authorization")) return peer.reply(200, {}, "{}");
      peer.reply(401,
                 {{"WWW-Authenticate", "Bearer realm=\"" + server_->url() +
                                           "/token\",service=\"hub\",scope=\"" + scope + "\""}});
    });
    ASSERT_TRUE(get_manifest().ok()) << scope;
    const auto asked = server_->requests("/token");
    ASSERT_EQ(asked.size(), 1u);
    EXPECT_EQ(asked[0].target, "/token?service=hub&scope=repository:library/debian:pull") << scope;
  }
}

TEST_F(TokensTest, RenewsATokenShortlyBeforeItExpires) {
  serve_with_tokens();
  ASSERT_TRUE(get_manifest().ok());
  clock_.advance(289s);
  ASSERT_TRUE(get_manifest().ok());
  EXPECT_EQ(tokens(), 1u);
  clock_.advance(2s);
  ASSERT_TRUE(get_manifest().ok());
  EXPECT_EQ(tokens(), 2u);
  EXPECT_EQ(server_->count("/v2/"), 4u) << "the new token is fetched without another 401";
}

TEST_F(TokensTest, RenewsATokenThatIsRefusedBeforeItExpires) {
  serve_with_tokens();
  ASSERT_TRUE(get_manifest().ok());
  ++valid_;  // The registry forgets the token that it gave.
  ASSERT_TRUE(get_manifest().ok());
  EXPECT_EQ(tokens(), 2u);
}

TEST_F(TokensTest, IsDeniedWhenANewTokenIsRefusedToo) {
  serve([this](const SeenRequest& request, Peer& peer) {
    if (request.target.starts_with("/token")) return peer.reply(200, {}, R"({"token":"no"})");
    peer.reply(401, {{"WWW-Authenticate", "Bearer realm=\"" + server_->url() + "/token\""}});
  });
  const auto denied = get_manifest();
  ASSERT_FALSE(denied.ok());
  EXPECT_EQ(denied.error().code, ErrorCode::kDenied);
  EXPECT_EQ(server_->count("/v2/"), 2u);
}

TEST_F(TokensTest, ReportsTheTokenServersStatus) {
  std::atomic<int> status{0};
  serve([this, &status](const SeenRequest& request, Peer& peer) {
    if (request.target.starts_with("/token")) return peer.reply(status, {{"Retry-After", "7"}});
    peer.reply(401, {{"WWW-Authenticate", "Bearer realm=\"" + server_->url() + "/token\""}});
  });
  const std::vector<std::pair<int, ErrorCode>> cases = {{500, ErrorCode::kUnavailable},
                                                        {401, ErrorCode::kDenied},
                                                        {404, ErrorCode::kInvalid},
                                                        {429, ErrorCode::kThrottled}};
  for (const auto& [answer, code] : cases) {
    status = answer;
    const auto failed = get_manifest();
    ASSERT_FALSE(failed.ok());
    EXPECT_EQ(failed.error().code, code) << answer;
    EXPECT_NE(failed.error().message.find("GET token for library/debian"), std::string::npos)
        << failed.error().message;
    if (answer == 429) {
      EXPECT_EQ(failed.error().retry_after, 7s);
      EXPECT_EQ(failed.error().extent, Extent::kRepository);
    }
  }
}

TEST_F(TokensTest, RefusesAnAnswerWithoutAToken) {
  serve([this](const SeenRequest& request, Peer& peer) {
    if (request.target.starts_with("/token")) return peer.reply(200, {}, "<html>");
    peer.reply(401, {{"WWW-Authenticate", "Bearer realm=\"" + server_->url() + "/token\""}});
  });
  const auto failed = get_manifest();
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code, ErrorCode::kCorrupt);
}

TEST_F(TokensTest, SendsCredentialsToATokenServerOfTheRegistrysSite) {
  options_.username = "user";
  options_.password = "secret";
  serve_with_tokens();
  ASSERT_TRUE(get_manifest().ok());
  const auto asked = server_->requests("/token");
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].header("authorization"), kBasic);
  EXPECT_NE(asked[0].target.find("&account=user"), std::string::npos);
  EXPECT_EQ(server_->requests("/v2/").at(0).header("authorization"), "");
}

TEST_F(TokensTest, SendsNoCredentialsToATokenServerElsewhere) {
  options_.username = "user";
  options_.password = "secret";
  TinyHttpServer foreign(
      [this](const SeenRequest& request, Peer& peer) { on_token(request, peer); });
  serve_with_tokens("http://localhost:" + std::to_string(foreign.port()) + "/token");
  ASSERT_TRUE(get_manifest().ok());
  const auto asked = foreign.requests("/token");
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].header("authorization"), "");
  EXPECT_EQ(asked[0].target.find("account"), std::string::npos);
}

TEST_F(TokensTest, UsesBasicWhereTheRegistryAsksForBasic) {
  options_.username = "user";
  options_.password = "secret";
  serve([](const SeenRequest& request, Peer& peer) {
    if (request.header("authorization") == kBasic) return peer.reply(200, {}, "{}");
    peer.reply(401, {{"WWW-Authenticate", "Basic realm=\"registry\""}});
  });
  EXPECT_TRUE(get_manifest().ok());
  EXPECT_TRUE(get_manifest().ok());
  EXPECT_EQ(server_->requests().size(), 3u) << "later requests send Basic without a challenge";
}

TEST_F(TokensTest, IsDeniedWhereBasicIsWantedWithoutCredentials) {
  serve_reply(401, {{"WWW-Authenticate", "Basic realm=\"registry\""}});
  const auto denied = get_manifest();
  ASSERT_FALSE(denied.ok());
  EXPECT_EQ(denied.error().code, ErrorCode::kDenied);
  EXPECT_NE(denied.error().message.find("password_file"), std::string::npos);
}

TEST_F(TokensTest, IsDeniedWhereBasicIsRefused) {
  options_.username = "user";
  options_.password = "wrong";
  serve_reply(401, {{"WWW-Authenticate", "Basic realm=\"registry\""}});
  const auto denied = get_manifest();
  ASSERT_FALSE(denied.ok());
  EXPECT_EQ(denied.error().code, ErrorCode::kDenied);
  EXPECT_EQ(denied.error().message.find("wrong"), std::string::npos);
  EXPECT_EQ(server_->requests().size(), 2u);
}

TEST_F(TokensTest, IsDeniedBy401WithoutAChallenge) {
  serve_reply(401);
  const auto denied = get_manifest();
  ASSERT_FALSE(denied.ok());
  EXPECT_EQ(denied.error().code, ErrorCode::kDenied);
}

TEST_F(TokensTest, RefusesARealmThatIsNoUrl) {
  serve_with_tokens("file:///etc/passwd");
  const auto failed = get_manifest();
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code, ErrorCode::kInvalid);
}

TEST_F(TokensTest, FetchesNoTokenWhereTheRegistryAsksForNone) {
  serve_reply(200, {}, "{}");
  EXPECT_TRUE(get_manifest().ok());
  EXPECT_EQ(server_->requests().size(), 1u);
  EXPECT_EQ(server_->requests()[0].header("authorization"), "");
}

TEST_F(TokensTest, FetchesABlobWithTheTokenOfItsRepository) {
  serve([this](const SeenRequest& request, Peer& peer) {
    if (request.target.starts_with("/token")) return on_token(request, peer);
    if (request.headers.get("authorization")) return peer.reply(200, {}, "content");
    peer.reply(401, {{"WWW-Authenticate", "Bearer realm=\"" + server_->url() + "/token\""}},
               "not the content");
  });
  const Status status = get_blob();
  EXPECT_TRUE(status.ok()) << message(status);
  EXPECT_EQ(sink_.bytes, "content");
  EXPECT_EQ(sink_.starts, 1);
  EXPECT_EQ(counters_.upstream_blob_gets, 2u);
}

}  // namespace
}  // namespace layby::upstream
