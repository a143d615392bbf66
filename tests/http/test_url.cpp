// SPDX-License-Identifier: Apache-2.0
//
// URLs, listen addresses, percent-coding and query strings.

#include "layby/http/url.h"

#include <gtest/gtest.h>

namespace layby::http {
namespace {

class UrlTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {}

  static bool refuses(std::string_view text) {
    const Result<Url> url = parse_url(text);
    return !url && url.error().code == ErrorCode::kInvalid;
  }
  static bool refuses_address(std::string_view text) { return !parse_host_port(text).ok(); }
};

TEST_F(UrlTest, AllPartsAreRead) {
  const Result<Url> url = parse_url("http://example.org:8080/a/b?c=d&e=%2f");
  ASSERT_TRUE(url.ok());
  EXPECT_EQ(*url, (Url{"http", "example.org", 8080, "/a/b", "c=d&e=%2f"}));
}

TEST_F(UrlTest, PortDefaultsToTheSchemes) {
  EXPECT_EQ(parse_url("https://registry-1.docker.io").value(),
            (Url{"https", "registry-1.docker.io", 443, "", ""}));
}

TEST_F(UrlTest, SchemeAndHostBecomeLowerCase) {
  EXPECT_EQ(parse_url("HTTP://Example.ORG/A").value(), (Url{"http", "example.org", 80, "/A", ""}));
}

TEST_F(UrlTest, QueryMayFollowTheHost) {
  EXPECT_EQ(parse_url("http://h?q").value(), (Url{"http", "h", 80, "", "q"}));
}

TEST_F(UrlTest, SlashInAQueryStaysInTheQuery) {
  EXPECT_EQ(parse_url("http://h?a/b").value(), (Url{"http", "h", 80, "", "a/b"}));
}

TEST_F(UrlTest, SecondQuestionMarkBelongsToTheQuery) {
  EXPECT_EQ(parse_url("http://h/p?a?b").value().query, "a?b");
}

TEST_F(UrlTest, Ipv6HostLosesItsBrackets) {
  EXPECT_EQ(parse_url("http://[::1]:5000/").value(), (Url{"http", "::1", 5000, "/", ""}));
}

TEST_F(UrlTest, OriginLeavesOutTheSchemesPort) {
  EXPECT_EQ(parse_url("https://h:443/x").value().origin(), "https://h");
}

TEST_F(UrlTest, OriginNamesAnotherPort) {
  EXPECT_EQ(parse_url("https://h:80/x").value().origin(), "https://h:80");
}

TEST_F(UrlTest, OriginPutsIpv6IntoBrackets) {
  EXPECT_EQ(parse_url("http://[::1]:5000").value().origin(), "http://[::1]:5000");
}

TEST_F(UrlTest, OtherSchemeIsRefused) { EXPECT_TRUE(refuses("ftp://h/")); }

TEST_F(UrlTest, MissingSchemeIsRefused) { EXPECT_TRUE(refuses("h/path")); }

TEST_F(UrlTest, EmptyTextIsRefused) { EXPECT_TRUE(refuses("")); }

TEST_F(UrlTest, EmptyHostIsRefused) { EXPECT_TRUE(refuses("http:///path")); }

TEST_F(UrlTest, UserinfoIsRefused) { EXPECT_TRUE(refuses("https://user:secret@h/")); }

TEST_F(UrlTest, AtSignInThePathIsFine) {
  EXPECT_EQ(parse_url("https://h/a@b").value().path, "/a@b");
}

TEST_F(UrlTest, RefusalNeverQuotesAPassword) {
  const Result<Url> url = parse_url("ftp://user:secret@h/");
  ASSERT_FALSE(url.ok());
  EXPECT_EQ(url.error().message.find("secret"), std::string::npos);
}

TEST_F(UrlTest, RefusalNeverQuotesAQuery) {
  const Result<Url> url = parse_url("ftp://h/?signature=secret");
  ASSERT_FALSE(url.ok());
  EXPECT_EQ(url.error().message.find("secret"), std::string::npos);
}

TEST_F(UrlTest, FragmentIsRefused) { EXPECT_TRUE(refuses("https://h/#top")); }

TEST_F(UrlTest, PortZeroIsRefused) { EXPECT_TRUE(refuses("http://h:0/")); }

TEST_F(UrlTest, PortAbove65535IsRefused) { EXPECT_TRUE(refuses("http://h:65536/")); }

TEST_F(UrlTest, EmptyPortIsRefused) { EXPECT_TRUE(refuses("http://h:/")); }

TEST_F(UrlTest, BareIpv6IsRefused) { EXPECT_TRUE(refuses("http://::1/")); }

TEST_F(UrlTest, BrokenIpv6IsRefused) { EXPECT_TRUE(refuses("http://[:::]/")); }

TEST_F(UrlTest, UnclosedBracketIsRefused) { EXPECT_TRUE(refuses("http://[::1/")); }

TEST_F(UrlTest, TextAfterTheBracketIsRefused) { EXPECT_TRUE(refuses("http://[::1]x/")); }

TEST_F(UrlTest, SpaceIsRefused) { EXPECT_TRUE(refuses("http://h/a b")); }

TEST_F(UrlTest, LineBreakIsRefused) { EXPECT_TRUE(refuses("http://h/a\r\nX: y")); }

TEST_F(UrlTest, NonAsciiIsRefused) { EXPECT_TRUE(refuses("http://h/\xc3\xa4")); }

TEST_F(UrlTest, BackslashInTheHostIsRefused) { EXPECT_TRUE(refuses("http://a\\b/")); }

TEST_F(UrlTest, EscapeInTheHostIsRefused) { EXPECT_TRUE(refuses("http://a%2eb/")); }

TEST_F(UrlTest, OverlongHostIsRefused) {
  EXPECT_TRUE(refuses("http://" + std::string(254, 'a') + "/"));
}

TEST_F(UrlTest, Ipv4AddressIsRead) {
  EXPECT_EQ(parse_host_port("0.0.0.0:5000").value(), (HostPort{"0.0.0.0", 5000}));
}

TEST_F(UrlTest, Ipv6AddressIsRead) {
  EXPECT_EQ(parse_host_port("[::]:5000").value(), (HostPort{"::", 5000}));
}

TEST_F(UrlTest, PortAloneMeansAnyAddress) {
  EXPECT_EQ(parse_host_port(":5000").value(), (HostPort{"", 5000}));
}

TEST_F(UrlTest, PortZeroMeansAnyPort) {
  EXPECT_EQ(parse_host_port("127.0.0.1:0").value(), (HostPort{"127.0.0.1", 0}));
}

TEST_F(UrlTest, HostNameIsNoListenAddress) { EXPECT_TRUE(refuses_address("localhost:5000")); }

TEST_F(UrlTest, AddressWithoutPortIsRefused) { EXPECT_TRUE(refuses_address("127.0.0.1")); }

TEST_F(UrlTest, BareIpv6WithPortIsRefused) { EXPECT_TRUE(refuses_address("::1:5000")); }

TEST_F(UrlTest, EmptyBracketsAreRefused) { EXPECT_TRUE(refuses_address("[]:5000")); }

TEST_F(UrlTest, EmptyAddressIsRefused) { EXPECT_TRUE(refuses_address("")); }

TEST_F(UrlTest, EscapesAreUndone) { EXPECT_EQ(percent_decode("a%2Fb%2f%7e"), "a/b/~"); }

TEST_F(UrlTest, EscapesAreUndoneOnce) { EXPECT_EQ(percent_decode("%252F"), "%2F"); }

TEST_F(UrlTest, PlusStaysPlus) { EXPECT_EQ(percent_decode("a+b"), "a+b"); }

TEST_F(UrlTest, CutEscapeIsRefused) { EXPECT_EQ(percent_decode("a%2"), std::nullopt); }

TEST_F(UrlTest, NonHexEscapeIsRefused) { EXPECT_EQ(percent_decode("%zz"), std::nullopt); }

TEST_F(UrlTest, EscapedNulIsRefused) { EXPECT_EQ(percent_decode("a%00"), std::nullopt); }

TEST_F(UrlTest, ATextHasValidEscapesIfItDecodes) {
  for (const char* text : {"", "ns=ghcr.io", "a%2Fb"}) EXPECT_TRUE(has_valid_escapes(text)) << text;
  for (const char* text : {"ns=%zz", "a%00", "%", "a%2"}) EXPECT_FALSE(has_valid_escapes(text));
}

TEST_F(UrlTest, EncodeEscapesAllButUnreserved) {
  EXPECT_EQ(percent_encode("aZ0-._~ /:\xff"), "aZ0-._~%20%2F%3A%FF");
}

TEST_F(UrlTest, EncodeKeepsTheGivenCharacters) {
  EXPECT_EQ(percent_encode("a/b:c", "/"), "a/b%3Ac");
}

TEST_F(UrlTest, QueryValueIsFound) { EXPECT_EQ(query_value("n=5&last=x", "last"), "x"); }

TEST_F(UrlTest, QueryValueIsDecoded) { EXPECT_EQ(query_value("ns=a%3A5", "ns"), "a:5"); }

TEST_F(UrlTest, QueryKeyIsDecoded) { EXPECT_EQ(query_value("%6es=a", "ns"), "a"); }

TEST_F(UrlTest, FirstQueryValueWins) { EXPECT_EQ(query_value("n=1&n=2", "n"), "1"); }

TEST_F(UrlTest, QueryKeyWithoutValueIsEmpty) { EXPECT_EQ(query_value("a&n", "n"), ""); }

TEST_F(UrlTest, MissingQueryKeyIsNothing) { EXPECT_EQ(query_value("nn=1", "n"), std::nullopt); }

TEST_F(UrlTest, BrokenQueryValueIsNothing) { EXPECT_EQ(query_value("n=%", "n"), std::nullopt); }

TEST_F(UrlTest, EmptyQueryHasNothing) { EXPECT_EQ(query_value("", "n"), std::nullopt); }

}  // namespace
}  // namespace layby::http
