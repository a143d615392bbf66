// SPDX-License-Identifier: Apache-2.0
//
// Request heads as clients and attackers send them. A head is refused with the same status, however
// its bytes are cut into pieces.

#include "server/request_parser.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/transaction.h"

namespace layby::server {
namespace {

using Outcome = RequestParser::Outcome;

constexpr std::uint64_t kLimit = 4096;

struct Parsed {
  Outcome outcome = Outcome::kIncomplete;
  Request request;
  RequestParser::Refusal refusal;
  std::string rest;
};

// Feeds `bytes` in pieces of `step`.
Parsed parse(std::string_view bytes, std::size_t step = std::string_view::npos) {
  RequestParser parser(kLimit);
  Parsed parsed;
  while (!bytes.empty() && parsed.outcome == Outcome::kIncomplete) {
    const std::string piece(bytes.substr(0, step));  // A copy, so ASan sees reads past its end.
    std::size_t consumed = 0;
    parsed.outcome = parser.feed(piece, consumed);
    EXPECT_LE(consumed, piece.size());
    bytes.remove_prefix(consumed);
  }
  parsed.rest = bytes;
  parsed.refusal = parser.refusal();
  parsed.request = parser.request();
  return parsed;
}

// The status with which `head` is refused; 0 when the head is accepted.
int refused(std::string_view head) {
  const Parsed whole = parse(head);
  const Parsed bytewise = parse(head, 1);
  EXPECT_EQ(whole.outcome, bytewise.outcome);
  if (whole.outcome != Outcome::kRefused) return 0;
  EXPECT_EQ(whole.refusal.status, bytewise.refusal.status);
  EXPECT_FALSE(whole.refusal.text.empty());
  return whole.refusal.status;
}

TEST(RequestParserTest, ReadsAWholeHead) {
  const Parsed parsed = parse(
      "GET /v2/library/debian/manifests/stable?ns=docker.io HTTP/1.1\r\n"
      "Host: mirror:5000\r\nAccept: a/b\r\nAccept: c/d\r\n\r\n");
  ASSERT_EQ(parsed.outcome, Outcome::kComplete);
  EXPECT_EQ(parsed.request.method, "GET");
  EXPECT_EQ(parsed.request.path, "/v2/library/debian/manifests/stable");
  EXPECT_EQ(parsed.request.query, "ns=docker.io");
  EXPECT_EQ(parsed.request.headers.get("host"), "mirror:5000");
  EXPECT_EQ(parsed.request.headers.joined("Accept"), "a/b, c/d");
  EXPECT_TRUE(parsed.request.keep_alive);
  EXPECT_FALSE(parsed.request.has_body);
}

TEST(RequestParserTest, ReadsAHeadThatComesByteByByte) {
  const Parsed parsed =
      parse("HEAD /v2/?a=b HTTP/1.1\r\nHost: x\r\nUser-Agent: docker/28\r\n\r\n", 1);
  ASSERT_EQ(parsed.outcome, Outcome::kComplete);
  EXPECT_EQ(parsed.request.method, "HEAD");
  EXPECT_EQ(parsed.request.path, "/v2/");
  EXPECT_EQ(parsed.request.query, "a=b");
  EXPECT_EQ(parsed.request.headers.get("User-Agent"), "docker/28");
}

TEST(RequestParserTest, ReadsTheSameHeadCutAnywhere) {
  const std::string head = "GET /a?b HTTP/1.1\r\nHost: x\r\nRange: bytes=0-\r\nEmpty:\r\n\r\nrest";
  for (std::size_t cut = 1; cut < head.size() - 4; ++cut) {
    RequestParser parser(kLimit);
    std::size_t consumed = 0;
    ASSERT_EQ(parser.feed(head.substr(0, cut), consumed), Outcome::kIncomplete) << cut;
    ASSERT_EQ(consumed, cut);
    ASSERT_EQ(parser.feed(head.substr(cut), consumed), Outcome::kComplete) << cut;
    EXPECT_EQ(head.substr(cut + consumed), "rest") << cut;
    const Request request = parser.request();
    EXPECT_EQ(request.path, "/a");
    EXPECT_EQ(request.query, "b");
    EXPECT_EQ(request.headers.get("Range"), "bytes=0-");
    EXPECT_EQ(request.headers.get("Empty"), "");
  }
}

TEST(RequestParserTest, KeepsNothingOfTheLastRequest) {
  const std::string small = "GET /b HTTP/1.1\r\nHost: y\r\n\r\n";
  ClientInfo used;
  used.address = "10.0.0.7";
  used.ip = parse_ip_address(used.address).value();
  used.is_local = used.is_proxy = true;
  used.certificate = "CN=x";
  used.user = "alice";
  for (const std::string_view before :
       {"POST /a?q HTTP/1.0\r\nHost: x\r\nRange: bytes=0-\r\nContent-Length: 5\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: x\r\nHalf: a hea", "GET /a HTTP/1.1\r\n\r\n", "\x16\x03"}) {
    RequestParser parser(kLimit);
    std::size_t consumed = 0;
    parser.feed(before, consumed);
    parser.request().client = used;
    parser.reset();
    EXPECT_EQ(parser.head_bytes(), 0U);
    ASSERT_EQ(parser.feed(small, consumed), Outcome::kComplete) << before;
    EXPECT_EQ(consumed, small.size());
    const Request& request = parser.request();
    EXPECT_EQ(request.method, "GET");
    EXPECT_EQ(request.path, "/b");
    EXPECT_EQ(request.query, "");
    EXPECT_TRUE(request.keep_alive);
    EXPECT_FALSE(request.has_body);
    EXPECT_FALSE(request.client.is_local || request.client.is_proxy);
    EXPECT_EQ(request.client.ip, IpAddress{});
    EXPECT_EQ(request.client.address + request.client.certificate + request.client.user, "");
    ASSERT_EQ(request.headers.size(), 1U);
    EXPECT_EQ(request.headers[0].value, "y");
  }
}

TEST(RequestParserTest, ResetForgetsTheLastByte) {
  RequestParser parser(kLimit);
  std::size_t consumed = 0;
  EXPECT_EQ(parser.feed("GET /a HTTP/1.1\r", consumed), Outcome::kIncomplete);
  parser.reset();
  EXPECT_EQ(parser.feed("\nGET /b HTTP/1.1\r\nHost: y\r\n\r\n", consumed), Outcome::kRefused);
}

TEST(RequestParserTest, CountsTheBytesOfAHead) {
  RequestParser parser(kLimit);
  std::size_t consumed = 0;
  parser.feed("GET / HTTP/1.1\r\n", consumed);
  EXPECT_EQ(parser.head_bytes(), 16U);
  parser.feed("Host: x\r\n\r\n", consumed);
  EXPECT_EQ(parser.head_bytes(), 27U);
}

TEST(SpareTransactionTest, IsDroppedUnderAnotherLimit) {
  SpareTransaction spare;
  spare.give_back(spare.take(1024));
  EXPECT_EQ(spare.take(2048)->parser.max_head_bytes(), 2048u);
  EXPECT_FALSE(spare.has_one());
}

TEST(SpareExchangeTest, KeepsAnExchangeOnlyAfterASmallHead) {
  SpareTransaction spare;
  for (const std::size_t path_bytes :
       {std::size_t{1}, std::size_t{SpareTransaction::kMostHeadBytes}}) {
    auto exchange = spare.take(2 * SpareTransaction::kMostHeadBytes);
    EXPECT_FALSE(spare.has_one());
    std::size_t consumed = 0;
    const std::string head =
        "GET /" + std::string(path_bytes, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n";
    EXPECT_EQ(exchange->parser.feed(head, consumed), Outcome::kComplete);
    spare.give_back(std::move(exchange));
    EXPECT_EQ(spare.has_one(), SpareTransaction::kKeeps && path_bytes == 1);
  }
}

TEST(RequestParserTest, LeavesTheBytesAfterTheHead) {
  const Parsed parsed = parse("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /next HTTP/1.1\r\n");
  ASSERT_EQ(parsed.outcome, Outcome::kComplete);
  EXPECT_EQ(parsed.rest, "GET /next HTTP/1.1\r\n");
}

TEST(RequestParserTest, LeavesTheBodyAndReportsIt) {
  const Parsed parsed = parse("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
  ASSERT_EQ(parsed.outcome, Outcome::kComplete);
  EXPECT_TRUE(parsed.request.has_body);
  EXPECT_EQ(parsed.rest, "abc");
}

TEST(RequestParserTest, ReportsAChunkedBody) {
  const Parsed parsed = parse("PATCH /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  ASSERT_EQ(parsed.outcome, Outcome::kComplete);
  EXPECT_TRUE(parsed.request.has_body);
}

TEST(RequestParserTest, ReportsNoBodyForContentLengthZero) {
  const Parsed parsed = parse("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
  ASSERT_EQ(parsed.outcome, Outcome::kComplete);
  EXPECT_FALSE(parsed.request.has_body);
}

TEST(RequestParserTest, HasAnEmptyQueryForABareQuestionMark) {
  const Parsed parsed = parse("GET /a? HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(parsed.request.path, "/a");
  EXPECT_EQ(parsed.request.query, "");
}

TEST(RequestParserTest, ReadsEachMethod) {
  for (const std::string method : {"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"}) {
    const Parsed parsed = parse(method + " /v2/ HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_EQ(parsed.outcome, Outcome::kComplete) << method;
    EXPECT_EQ(parsed.request.method, method);
  }
}

TEST(RequestParserTest, ClosesAfterConnectionClose) {
  EXPECT_FALSE(parse("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").request.keep_alive);
}

TEST(RequestParserTest, ClosesAfterHttp10WithoutKeepAlive) {
  const Parsed parsed = parse("GET / HTTP/1.0\r\n\r\n");
  ASSERT_EQ(parsed.outcome, Outcome::kComplete);
  EXPECT_FALSE(parsed.request.keep_alive);
}

TEST(RequestParserTest, KeepsAnHttp10ConnectionThatAsksForIt) {
  EXPECT_TRUE(parse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").request.keep_alive);
}

TEST(RequestParserTest, NamesTlsToAClientThatSpeaksTls) {
  const std::string hello("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
  EXPECT_EQ(refused(hello), 400);
  EXPECT_NE(parse(hello).refusal.text.find("TLS"), std::string::npos);
}

TEST(RequestParserTest, RefusesOtherProtocols) {
  EXPECT_EQ(refused("SSH-2.0-OpenSSH_9.2\r\n"), 400);
  EXPECT_EQ(refused(std::string("\0\0\0\0\r\n\r\n", 8)), 400);
  EXPECT_EQ(refused("get / HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
  EXPECT_EQ(refused("GET /a b HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
}

TEST(RequestParserTest, RefusesOtherVersions) {
  EXPECT_NE(refused("GET / HTTP/2.0\r\nHost: x\r\n\r\n"), 0);
  EXPECT_NE(refused("GET / HTTP/1.7\r\nHost: x\r\n\r\n"), 0);
  EXPECT_NE(refused("GET /\r\n\r\n"), 0);
  EXPECT_NE(refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 0);
}

TEST(RequestParserTest, RefusesAMissingHost) {
  EXPECT_EQ(refused("GET / HTTP/1.1\r\nAccept: */*\r\n\r\n"), 400);
}

TEST(RequestParserTest, RefusesASecondHost) {
  EXPECT_EQ(refused("GET / HTTP/1.1\r\nHost: x\r\nhost: y\r\n\r\n"), 400);
  EXPECT_EQ(refused("GET / HTTP/1.0\r\nHost: x\r\nHost: x\r\n\r\n"), 400);
}

TEST(RequestParserTest, RefusesASecondContentLength) {
  const std::string head = "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n";
  EXPECT_EQ(refused(head + "Content-Length: 4\r\n\r\n"), 400);
  EXPECT_EQ(refused(head + "content-length: 3\r\n\r\n"), 400);
  EXPECT_EQ(refused("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\n"), 400);
}

TEST(RequestParserTest, RefusesContentLengthBesideTransferEncoding) {
  EXPECT_EQ(refused("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
                    "Transfer-Encoding: chunked\r\n\r\n"),
            400);
  EXPECT_EQ(refused("PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                    "Content-Length: 3\r\n\r\n"),
            400);
}

TEST(RequestParserTest, RefusesAContentLengthThatIsNotANumber) {
  for (const std::string value : {"-1", "+1", "0x10", "1 2", "99999999999999999999", ""}) {
    EXPECT_EQ(refused("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: " + value + "\r\n\r\n"), 400)
        << value;
  }
}

TEST(RequestParserTest, RefusesAFoldedHeader) {
  EXPECT_EQ(refused("GET / HTTP/1.1\r\nHost: x\r\nAccept: a\r\n b\r\n\r\n"), 400);
  EXPECT_EQ(refused("GET / HTTP/1.1\r\nHost: x\r\nAccept: a\r\n\tb\r\n\r\n"), 400);
  EXPECT_EQ(refused("GET / HTTP/1.1\r\nHost: x\r\nAccept:\r\n b\r\n\r\n"), 400);
}

TEST(RequestParserTest, RefusesABareLineFeed) {
  EXPECT_EQ(refused("GET / HTTP/1.1\nHost: x\n\n"), 400);
  EXPECT_EQ(refused("GET / HTTP/1.1\r\nHost: x\nAccept: a\r\n\r\n"), 400);
  EXPECT_EQ(refused("GET / HTTP/1.1\r\nHost: x\r\nAccept:\n\r\n"), 400);
  EXPECT_EQ(refused("GET / HTTP/1.1\r\nHost: x\r\n\n"), 400);
}

TEST(RequestParserTest, RefusesABareCarriageReturn) {
  EXPECT_EQ(refused("GET / HTTP/1.1\r\nHost: x\rAccept: a\r\n\r\n"), 400);
}

TEST(RequestParserTest, RefusesASpaceBeforeTheColon) {
  EXPECT_EQ(refused("GET / HTTP/1.1\r\nHost : x\r\n\r\n"), 400);
}

TEST(RequestParserTest, RefusesAHeaderWithoutAName) {
  EXPECT_EQ(refused("GET / HTTP/1.1\r\nHost: x\r\n: a\r\n\r\n"), 400);
  EXPECT_EQ(refused("GET / HTTP/1.1\r\n:a\r\nHost: x\r\n\r\n"), 400);
}

TEST(RequestParserTest, RefusesANulInAHeader) {
  EXPECT_EQ(refused(std::string("GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n", 36)), 400);
}

TEST(RequestParserTest, RefusesAHeadAboveTheLimit) {
  const std::string start = "GET / HTTP/1.1\r\nHost: x\r\nCookie: ";
  EXPECT_EQ(refused(start + std::string(kLimit, 'c') + "\r\n\r\n"), 431);
  EXPECT_EQ(refused("GET /" + std::string(kLimit, 'c')), 431);
  EXPECT_EQ(refused(start + std::string(kLimit - start.size() - 3, 'c') + "\r\n\r\n"), 431);
}

TEST(RequestParserTest, AcceptsAHeadOfExactlyTheLimit) {
  const std::string start = "GET / HTTP/1.1\r\nHost: x\r\nCookie: ";
  const std::string head = start + std::string(kLimit - start.size() - 4, 'c') + "\r\n\r\n";
  ASSERT_EQ(head.size(), kLimit);
  EXPECT_EQ(parse(head).outcome, Outcome::kComplete);
  EXPECT_EQ(parse(head, 1).outcome, Outcome::kComplete);
}

TEST(RequestParserTest, AcceptsAnyAmountAfterAHeadWithinTheLimit) {
  const std::string next(2 * kLimit, 'n');
  const Parsed parsed = parse("GET / HTTP/1.1\r\nHost: x\r\n\r\n" + next);
  ASSERT_EQ(parsed.outcome, Outcome::kComplete);
  EXPECT_EQ(parsed.rest, next);
}

TEST(RequestParserTest, RefusesTooManyHeaders) {
  std::string head = "GET / HTTP/1.1\r\nHost: x\r\n";
  for (int i = 0; i < 100; ++i) head += "A: b\r\n";
  EXPECT_EQ(refused(head + "\r\n"), 431);
}

TEST(RequestParserTest, ReadsATargetThatIsAUrl) {
  const Parsed parsed =
      parse("GET http://Mirror:5000/v2/?ns=ghcr.io HTTP/1.1\r\nAccept: a/b\r\nHost: other\r\n\r\n");
  ASSERT_EQ(parsed.outcome, Outcome::kComplete);
  EXPECT_EQ(parsed.request.path, "/v2/");
  EXPECT_EQ(parsed.request.query, "ns=ghcr.io");
  EXPECT_EQ(parsed.request.headers.joined("Host"), "mirror:5000") << "the target's host counts";
  EXPECT_EQ(parsed.request.headers.get("Accept"), "a/b");
  EXPECT_EQ(refused("GET http://x/ HTTP/1.1\r\n\r\n"), 400) << "Host is needed all the same";
}

TEST(RequestParserTest, AUrlWithoutAPathIsTheRoot) {
  EXPECT_EQ(parse("GET http://x HTTP/1.1\r\nHost: x\r\n\r\n").request.path, "/");
  const Parsed parsed = parse("GET https://x?a=b HTTP/1.0\r\n\r\n");
  ASSERT_EQ(parsed.outcome, Outcome::kComplete);
  EXPECT_EQ(parsed.request.path, "/");
  EXPECT_EQ(parsed.request.query, "a=b");
  EXPECT_EQ(parsed.request.headers.get("Host"), "x");
}

TEST(RequestParserTest, RefusesATargetThatIsNotAPath) {
  EXPECT_EQ(refused("GET ftp://x/v2/ HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
  EXPECT_EQ(refused("GET http:///v2/ HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
  EXPECT_EQ(refused("GET http://me@x/v2/ HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
  EXPECT_EQ(refused("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
  EXPECT_EQ(refused("CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
}

TEST(RequestParserTest, TreatsAnUpgradeAsAnOrdinaryRequest) {
  const Parsed parsed =
      parse("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
  ASSERT_EQ(parsed.outcome, Outcome::kComplete);
  EXPECT_EQ(parsed.request.path, "/");
}

TEST(RequestParserTest, IgnoresEmptyLinesBeforeTheRequest) {
  EXPECT_EQ(parse("\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n").outcome, Outcome::kComplete);
}

}  // namespace
}  // namespace layby::server
