// SPDX-License-Identifier: Apache-2.0
//
// Challenges of real registries, token answers, and the rule for where credentials may go.

#include "layby/oci/challenge.h"

#include <gtest/gtest.h>

#include <string>

namespace layby::oci {
namespace {

class ChallengeTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {}

  static BearerChallenge bearer(std::string_view value) {
    return parse_challenge(value).bearer.value_or(BearerChallenge{"none", "", ""});
  }
  static std::chrono::seconds life(std::string_view json) {
    const Result<Token> token = parse_token(json);
    return token ? token->expires_in : std::chrono::seconds(-1);
  }
};

TEST_F(ChallengeTest, DockerHubsChallengeIsRead) {
  const BearerChallenge challenge = bearer(
      "Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\","
      "scope=\"repository:library/x:pull\"");
  EXPECT_EQ(challenge.realm, "https://auth.docker.io/token");
  EXPECT_EQ(challenge.service, "registry.docker.io");
  EXPECT_EQ(challenge.scope, "repository:library/x:pull");
}

TEST_F(ChallengeTest, BearerIsNotBasic) {
  EXPECT_FALSE(parse_challenge("Bearer realm=\"r\"").basic);
}

TEST_F(ChallengeTest, BasicIsRead) {
  const Challenge challenge = parse_challenge("Basic realm=\"Registry\"");
  EXPECT_TRUE(challenge.basic);
  EXPECT_FALSE(challenge.bearer);
}

TEST_F(ChallengeTest, BothAreReadFromOneValue) {
  const Challenge challenge = parse_challenge("Basic realm=\"a, b\", Bearer realm=\"r\"");
  EXPECT_TRUE(challenge.basic);
  ASSERT_TRUE(challenge.bearer);
  EXPECT_EQ(challenge.bearer->realm, "r");
}

TEST_F(ChallengeTest, CommasInsideQuotesBelongToTheValue) {
  EXPECT_EQ(bearer("Bearer realm=\"r\",scope=\"repository:a:pull,push\"").scope,
            "repository:a:pull,push");
}

TEST_F(ChallengeTest, CaseOfNamesDoesNotMatter) {
  EXPECT_EQ(bearer("bEARER REALM=\"r\"").realm, "r");
}

TEST_F(ChallengeTest, SpacesAroundEqualsAreFine) {
  EXPECT_EQ(bearer("Bearer realm = \"r\" , service = \"s\"").service, "s");
}

TEST_F(ChallengeTest, UnquotedValueIsRead) {
  EXPECT_EQ(bearer("Bearer realm=\"r\",service=registry.docker.io").service, "registry.docker.io");
}

TEST_F(ChallengeTest, EscapedQuoteIsAQuote) {
  EXPECT_EQ(bearer("Bearer realm=\"a\\\"b\\\\c\"").realm, "a\"b\\c");
}

TEST_F(ChallengeTest, UnknownSchemeIsIgnored) {
  EXPECT_EQ(bearer("Negotiate abc/+d==, Bearer realm=\"r\"").realm, "r");
}

TEST_F(ChallengeTest, BearerWithoutRealmIsIgnored) {
  EXPECT_EQ(bearer("Bearer service=\"s\"").realm, "none");
}

TEST_F(ChallengeTest, FirstBearerWithARealmWins) {
  EXPECT_EQ(bearer("Bearer service=\"s\", Bearer realm=\"1\", Bearer realm=\"2\"").realm, "1");
}

TEST_F(ChallengeTest, FirstOfTwoRealmsWins) {
  EXPECT_EQ(bearer("Bearer realm=\"1\",realm=\"2\"").realm, "1");
}

TEST_F(ChallengeTest, UnclosedQuoteEndsTheReading) {
  EXPECT_EQ(bearer("Bearer realm=\"r\",service=\"s").service, "");
}

TEST_F(ChallengeTest, ParameterWithoutSchemeIsIgnored) {
  EXPECT_EQ(bearer("realm=\"r\"").realm, "none");
}

TEST_F(ChallengeTest, EmptyValueIsNothing) { EXPECT_EQ(bearer("").realm, "none"); }

TEST_F(ChallengeTest, TokenIsRead) { EXPECT_EQ(parse_token(R"({"token":"abc"})")->value, "abc"); }

TEST_F(ChallengeTest, AccessTokenIsRead) {
  EXPECT_EQ(parse_token(R"({"access_token":"abc"})")->value, "abc");
}

TEST_F(ChallengeTest, TokenWinsOverAccessToken) {
  EXPECT_EQ(parse_token(R"({"access_token":"a","token":"t"})")->value, "t");
}

TEST_F(ChallengeTest, EmptyTokenGivesWayToAccessToken) {
  EXPECT_EQ(parse_token(R"({"token":"","access_token":"a"})")->value, "a");
}

TEST_F(ChallengeTest, LifeIsRead) {
  EXPECT_EQ(life(R"({"token":"a","expires_in":300})"), std::chrono::seconds(300));
}

TEST_F(ChallengeTest, MissingLifeBecomesAMinute) {
  EXPECT_EQ(life(R"({"token":"a"})"), std::chrono::seconds(60));
}

TEST_F(ChallengeTest, ShortLifeBecomesAMinute) {
  EXPECT_EQ(life(R"({"token":"a","expires_in":5})"), std::chrono::seconds(60));
}

TEST_F(ChallengeTest, NegativeLifeBecomesAMinute) {
  EXPECT_EQ(life(R"({"token":"a","expires_in":-5})"), std::chrono::seconds(60));
}

TEST_F(ChallengeTest, LongLifeBecomesADay) {
  EXPECT_EQ(life(R"({"token":"a","expires_in":18446744073709551615})"), std::chrono::hours(24));
}

TEST_F(ChallengeTest, AnswerWithoutTokenIsInvalid) {
  EXPECT_EQ(parse_token(R"({"details":"incorrect username or password"})").error().code,
            ErrorCode::kInvalid);
}

TEST_F(ChallengeTest, NonJsonAnswerIsInvalid) { EXPECT_FALSE(parse_token("<html>").ok()); }

TEST_F(ChallengeTest, AnswerThatIsAListIsInvalid) { EXPECT_FALSE(parse_token("[]").ok()); }

TEST_F(ChallengeTest, TokenWithALineBreakIsInvalid) {
  EXPECT_FALSE(parse_token(R"({"token":"a\r\nX-Evil: 1"})").ok());
}

TEST_F(ChallengeTest, RefusalNeverQuotesTheAnswer) {
  EXPECT_EQ(parse_token(R"({"token":"sec ret"})").error().message.find("sec"), std::string::npos);
}

TEST_F(ChallengeTest, SameHostIsSameSite) { EXPECT_TRUE(same_site("localhost", "LOCALHOST")); }

TEST_F(ChallengeTest, DockerHubsHostsAreOneSite) {
  EXPECT_TRUE(same_site("registry-1.docker.io", "auth.docker.io"));
}

TEST_F(ChallengeTest, DomainItselfBelongsToTheSite) {
  EXPECT_TRUE(same_site("a.example", "x.a.example"));
}

TEST_F(ChallengeTest, OtherDomainIsAnotherSite) {
  EXPECT_FALSE(same_site("registry-1.docker.io", "auth.docker.com"));
}

TEST_F(ChallengeTest, DomainThatOnlyEndsAlikeIsAnotherSite) {
  EXPECT_FALSE(same_site("registry-1.docker.io", "auth.evildocker.io"));
}

TEST_F(ChallengeTest, CountrysSecondLevelIsNoSite) {
  EXPECT_FALSE(same_site("registry.acme.co.uk", "auth.evil.co.uk"));
}

TEST_F(ChallengeTest, DomainBelowACountrysSecondLevelIsASite) {
  EXPECT_TRUE(same_site("registry.acme.co.uk", "auth.acme.co.uk"));
}

TEST_F(ChallengeTest, BareSecondLevelIsNoSite) { EXPECT_FALSE(same_site("a.co.uk", "co.uk")); }

TEST_F(ChallengeTest, SingleLabelsAreNoSite) { EXPECT_FALSE(same_site("registry", "auth")); }

TEST_F(ChallengeTest, EqualAddressesAreOneSite) { EXPECT_TRUE(same_site("10.0.0.1", "10.0.0.1")); }

TEST_F(ChallengeTest, AddressesAreNoSite) { EXPECT_FALSE(same_site("10.0.0.1", "10.9.0.1")); }

TEST_F(ChallengeTest, Ipv6AddressesAreNoSite) { EXPECT_FALSE(same_site("fd00::1", "fd00::2")); }

TEST_F(ChallengeTest, EmptyLabelIsNoSite) { EXPECT_FALSE(same_site("a..io", "b..io")); }

TEST_F(ChallengeTest, EmptyHostsAreNoSite) { EXPECT_FALSE(same_site("", "")); }

}  // namespace
}  // namespace layby::oci
