// SPDX-License-Identifier: Apache-2.0
//
// When tokens are renewed, in simulated time; and that Tokens renews a token without a request.

#include "upstream/token_renewals.h"

#include <atomic>
#include <memory>

#include "support/fake_timers.h"
#include "upstream/reach.h"
#include "upstream/registry_fixture.h"
#include "upstream/tokens.h"

namespace layby::upstream {
namespace {

class TokenRenewalsTest : public ::testing::Test {
 protected:
  SteadyTime in(std::chrono::seconds life) const { return clock_.steady_now() + life; }

  testing::FakeClock clock_;
  testing::FakeTimers timers_{clock_};
  std::vector<std::string> renewed_;
  TokenRenewals renewals_{
      timers_, clock_, [this](const std::string& repository) { renewed_.push_back(repository); }};
};

TEST_F(TokenRenewalsTest, RenewsATokenInTheLastThirdOfItsLife) {
  renewals_.on_used("a", in(300s));
  timers_.advance(209s);
  EXPECT_TRUE(renewed_.empty());
  timers_.advance(62s);
  EXPECT_EQ(renewed_, std::vector<std::string>{"a"});
}

TEST_F(TokenRenewalsTest, RenewsNoTokenTwice) {
  renewals_.on_used("a", in(300s));
  timers_.advance(1000s);
  EXPECT_EQ(renewed_.size(), 1u);
  EXPECT_EQ(timers_.waiting(), 0u);
}

TEST_F(TokenRenewalsTest, EndsWhenTheRepositoryIsNoLongerUsed) {
  renewals_.on_used("a", in(300s));
  for (int i = 0; i < 10; ++i) {
    timers_.advance(280s);
    if (!renewed_.empty()) renewals_.on_renewed("a", in(300s));
  }
  EXPECT_EQ(renewed_.size(), 1u) << "the second renewal is due nine minutes after the last use";
  EXPECT_EQ(timers_.waiting(), 0u);
}

TEST_F(TokenRenewalsTest, GoesOnWhileTheRepositoryIsUsed) {
  renewals_.on_used("a", in(300s));
  for (int i = 0; i < 10; ++i) {
    timers_.advance(280s);
    renewals_.on_used("a", in(20s));
    renewals_.on_renewed("a", in(300s));
  }
  EXPECT_EQ(renewed_.size(), 10u);
}

TEST_F(TokenRenewalsTest, SpreadsTheRenewalsOfTokensThatWereFetchedTogether) {
  for (char name = 'a'; name < 'i'; ++name) renewals_.on_used(std::string(1, name), in(300s));
  std::size_t most = 0;
  for (int second = 0; second < 300; ++second) {
    const std::size_t before = renewed_.size();
    timers_.advance(1s);
    most = std::max(most, renewed_.size() - before);
  }
  EXPECT_EQ(renewed_.size(), 8u);
  EXPECT_LE(most, 3u);
}

TEST_F(TokenRenewalsTest, BeginsOneRenewalAtATime) {
  for (char name = 'a'; name < 'q'; ++name) renewals_.on_used(std::string(1, name), in(10s));
  for (int i = 0; i < 10'000 && renewed_.empty(); ++i) timers_.advance(1ms);
  ASSERT_EQ(renewed_.size(), 1u);
  timers_.advance(TokenRenewals::kGap - 2ms);
  EXPECT_EQ(renewed_.size(), 1u);
  timers_.advance(10s);
  EXPECT_GT(renewed_.size(), 1u);
  EXPECT_LE(renewed_.size(), 7u) << "the other tokens expired first";
}

TEST_F(TokenRenewalsTest, KeepsTheRepositoriesThatWereUsedLast) {
  for (int i = 0; i < 40; ++i) {
    renewals_.on_used(std::to_string(i), in(300s));
    timers_.advance(100ms);
  }
  timers_.advance(300s);
  EXPECT_EQ(renewed_.size(), TokenRenewals::kMost);
  for (const std::string& name : renewed_) EXPECT_GE(std::stoi(name), 24);
}

TEST_F(TokenRenewalsTest, PausesAfterTrouble) {
  renewals_.on_used("a", in(300s));
  renewals_.on_used("b", in(3600s));
  timers_.advance(100s);
  renewals_.forget("a");
  renewals_.pause();
  renewals_.on_used("c", in(300s));
  timers_.advance(TokenRenewals::kPause);
  EXPECT_TRUE(renewed_.empty());
}

// The Tokens of one registry, in simulated time. The server's answers come in real time.
class RenewedTokensTest : public RegistryTest {
 protected:
  RenewedTokensTest()
      : token_server_([this](const SeenRequest& request, Peer& peer) {
          if (!request.target.starts_with("/token")) return peer.reply(404);
          if (status_ != 200) return peer.reply(status_);
          peer.reply(200, {},
                     "{\"token\":\"token-" + std::to_string(++given_) + "\",\"expires_in\":300}");
        }) {
    tokens_.learn("Bearer realm=\"" + token_server_.url() + "/token\",service=\"hub\"");
    reach_.note_answer(registry_url_, {*parse_ip_address("127.0.0.1"), token_server_.port()});
  }

  std::string fetch() {
    if (auto known = tokens_.known("a")) return *known;
    std::string got;
    const auto handle = tokens_.fetch("a", [&](const Result<std::string>& token) {
      got = token.ok() ? *token : token.error().message;
    });
    EXPECT_TRUE(turn([&] { return !got.empty(); }));
    return got;
  }
  bool asked(std::size_t times) {
    return turn([&] { return token_server_.count("/token") >= times; });
  }

  std::atomic<int> given_{0};
  std::atomic<int> status_{200};
  TinyHttpServer token_server_;
  const http::Url registry_url_ = http::parse_url(token_server_.url()).value();
  testing::FakeTimers timers_{clock_};
  const std::vector<std::uint16_t> no_ports_;
  Reach reach_{{registry_url_, "", true}, no_ports_};
  const Transport transport_{reach_, "", "", "layby/test", 5s};
  Tokens tokens_{
      {registry_url_, {}, 10s}, multi_->driver(), transport_, timers_, clock_, counters_};
};

TEST_F(RenewedTokensTest, RenewsWithoutARequest) {
  ASSERT_EQ(fetch(), "Bearer token-1");
  timers_.advance(280s);
  ASSERT_TRUE(asked(2));
  ASSERT_TRUE(turn([&] { return tokens_.known("a") == "Bearer token-2"; }));
  timers_.advance(20s);
  EXPECT_EQ(tokens_.known("a"), "Bearer token-2") << "nobody waits when the first token ends";
}

TEST_F(RenewedTokensTest, KeepsATokenWhoseRenewalFails) {
  ASSERT_EQ(fetch(), "Bearer token-1");
  status_ = 500;
  timers_.advance(270s);
  ASSERT_TRUE(asked(2));
  ASSERT_TRUE(turn([&] { return counters_.upstream_failures > 0; }));
  EXPECT_EQ(tokens_.known("a"), "Bearer token-1");
  timers_.advance(600s);
  EXPECT_EQ(token_server_.count("/token"), 2u);
}

TEST_F(RenewedTokensTest, LetsARequestJoinARenewal) {
  ASSERT_EQ(fetch(), "Bearer token-1");
  timers_.advance(300s);
  EXPECT_EQ(fetch(), "Bearer token-2");
  EXPECT_EQ(given_, 2);
}

TEST_F(RenewedTokensTest, CanEndDuringARenewal) {
  ASSERT_EQ(fetch(), "Bearer token-1");
  timers_.advance(280s);
}

}  // namespace
}  // namespace layby::upstream
