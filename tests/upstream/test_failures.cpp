// SPDX-License-Identifier: Apache-2.0
//
// A registry that is down, slow, busy or broken: the error's code and message, the counters,
// and the success of the next request.

#include <sys/socket.h>

#include <atomic>

#include "layby/http/date.h"
#include "upstream/registry_fixture.h"

namespace layby::upstream {
namespace {

class FailuresTest : public RegistryTest {
 protected:
  Error failed_manifest() {
    const auto result = get_manifest();
    EXPECT_FALSE(result.ok());
    return result.ok() ? Error{} : result.error();
  }
};

// A loopback port without a listener.
std::uint16_t closed_port() {
  const TinyHttpServer server([](const SeenRequest&, Peer&) {});
  return server.port();
}

TEST_F(FailuresTest, MapsEachStatus) {
  const std::vector<std::pair<int, ErrorCode>> cases = {
      {400, ErrorCode::kInvalid},     {403, ErrorCode::kDenied},
      {404, ErrorCode::kNotFound},    {405, ErrorCode::kInvalid},
      {408, ErrorCode::kTimedOut},    {410, ErrorCode::kInvalid},
      {429, ErrorCode::kThrottled},   {500, ErrorCode::kUnavailable},
      {502, ErrorCode::kUnavailable}, {503, ErrorCode::kUnavailable},
      {504, ErrorCode::kUnavailable}, {204, ErrorCode::kCorrupt},
      {304, ErrorCode::kCorrupt}};
  for (const auto& [status, code] : cases) {
    serve_reply(status);
    EXPECT_EQ(failed_manifest().code, code) << status;
  }
}

TEST_F(FailuresTest, SaysWhoWhatAndWhy) {
  serve_reply(503);
  EXPECT_EQ(
      failed_manifest().message,
      server_->address() + ": GET library/debian manifest bookworm: answered 503; try again later");
}

TEST_F(FailuresTest, CountsFailuresAndThrottling) {
  for (const int status : {429, 500, 404}) {
    serve_reply(status);
    failed_manifest();
  }
  EXPECT_EQ(counters_.upstream_failures, 2u);
  EXPECT_EQ(counters_.upstream_throttled, 1u);
}

TEST_F(FailuresTest, ReadsRetryAfterInSeconds) {
  serve_reply(429, {{"Retry-After", "120"}});
  EXPECT_EQ(failed_manifest().retry_after, 120s);
}

TEST_F(FailuresTest, ReadsRetryAfterAsADate) {
  serve_reply(429, {{"Retry-After", http::format_date(clock_.wall_now() + 90s)}});
  EXPECT_EQ(failed_manifest().retry_after, 90s);
}

TEST_F(FailuresTest, RetryAfterDateCountsFromTheAnswersOwnDate) {
  // The registry's clock is two days ahead of this box's clock.
  const WallTime there = clock_.wall_now() + std::chrono::hours(48);
  serve_reply(
      429, {{"Date", http::format_date(there)}, {"Retry-After", http::format_date(there + 30s)}});
  EXPECT_EQ(failed_manifest().retry_after, 30s);
}

TEST_F(FailuresTest, HasNoRetryAfterWhereNoneIsStated) {
  serve_reply(429);
  EXPECT_EQ(failed_manifest().retry_after, std::nullopt);
}

TEST_F(FailuresTest, IsUnavailableWhenTheConnectionIsRefused) {
  connect("http://127.0.0.1:" + std::to_string(closed_port()));
  const Error error = failed_manifest();
  EXPECT_EQ(error.code, ErrorCode::kUnavailable);
  EXPECT_NE(error.message.find("Connection refused; check the link or upstreams[].url"),
            std::string::npos)
      << error.message;
  EXPECT_EQ(counters_.upstream_failures, 1u);
}

TEST_F(FailuresTest, TriesTheNextAddressWhenOneRefuses) {
  // curl resolves localhost to ::1 and 127.0.0.1; nobody listens on ::1.
  serve_reply(200, {}, "{}");
  connect("http://localhost:" + std::to_string(server_->port()));
  EXPECT_TRUE(get_manifest().ok());
}

TEST_F(FailuresTest, IsUnavailableWhereTheNameHasNoAddress) {
  connect("http://no-such-name.invalid");
  const Error error = failed_manifest();
  EXPECT_EQ(error.code, ErrorCode::kUnavailable);
  EXPECT_NE(error.message.find("no-such-name.invalid"), std::string::npos) << error.message;
}

TEST_F(FailuresTest, TimesOutWhenNobodyAccepts) {
  options_.connect_timeout = 100ms;
  // A listener whose queue is full drops further attempts, as a dead link does.
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* any = reinterpret_cast<sockaddr*>(&address);
  ASSERT_EQ(::bind(listener, any, size), 0);
  ASSERT_EQ(::listen(listener, 0), 0);
  ASSERT_EQ(::getsockname(listener, any, &size), 0);
  std::vector<int> fillers;
  for (int i = 0; i < 4; ++i) {
    fillers.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    [[maybe_unused]] const int in_progress = ::connect(fillers.back(), any, size);
  }
  connect("http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)));
  const Error error = failed_manifest();
  EXPECT_EQ(error.code, ErrorCode::kTimedOut) << error.message;
  for (const int filler : fillers) ::close(filler);
  ::close(listener);
}

TEST_F(FailuresTest, KeepsTheDeadlineOfAHead) {
  serve([](const SeenRequest&, Peer& peer) { peer.hang(); });
  const auto head = head_manifest(kRepository, 50ms);
  ASSERT_FALSE(head.ok());
  EXPECT_EQ(head.error().code, ErrorCode::kTimedOut);
  EXPECT_EQ(counters_.upstream_failures, 1u);
}

TEST_F(FailuresTest, KeepsTheDeadlineWhileBytesTrickle) {
  serve([](const SeenRequest&, Peer& peer) {
    peer.raw("HTTP/1.1 200 OK\r\n");
    while (peer.raw("X-Drip: x\r\n")) std::this_thread::sleep_for(5ms);
  });
  const auto head = head_manifest(kRepository, 100ms);
  ASSERT_FALSE(head.ok());
  EXPECT_EQ(head.error().code, ErrorCode::kTimedOut);
}

TEST_F(FailuresTest, KeepsTheDeadlineWhileTheTokenIsFetched) {
  serve([this](const SeenRequest& request, Peer& peer) {
    if (request.target.starts_with("/token")) return peer.hang();
    peer.reply(401, {{"WWW-Authenticate", "Bearer realm=\"" + server_->url() + "/token\""}});
  });
  const auto head = head_manifest(kRepository, 300ms);
  ASSERT_FALSE(head.ok());
  EXPECT_EQ(head.error().code, ErrorCode::kTimedOut);
  EXPECT_NE(head.error().message.find("token server"), std::string::npos);
}

TEST_F(FailuresTest, TimesOutASmallRequest) {
  options_.request_timeout = 50ms;
  serve([](const SeenRequest&, Peer& peer) { peer.hang(); });
  EXPECT_EQ(failed_manifest().code, ErrorCode::kTimedOut);
}

TEST_F(FailuresTest, IsUnavailableWhenClosedWithoutAnAnswer) {
  serve_raw("");
  const Error error = failed_manifest();
  EXPECT_EQ(error.code, ErrorCode::kUnavailable);
  EXPECT_NE(error.message.find("closed without an answer"), std::string::npos) << error.message;
}

TEST_F(FailuresTest, IsUnavailableWhenReset) {
  serve([](const SeenRequest&, Peer& peer) {
    const linger at_once{1, 0};
    ::setsockopt(peer.fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    peer.raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx");
    peer.close();
  });
  EXPECT_EQ(failed_manifest().code, ErrorCode::kUnavailable);
}

TEST_F(FailuresTest, IsCorruptWhenTheAnswerIsNotHttp) {
  for (const char* bytes : {"SSH-2.0-OpenSSH_9.2\r\n", "<html>hello</html>\n"}) {
    serve_raw(bytes);
    const Error error = failed_manifest();
    EXPECT_EQ(error.code, ErrorCode::kCorrupt) << bytes << error.message;
  }
}

TEST_F(FailuresTest, ReconnectsWhenTheServerClosedAKeptConnection) {
  serve([](const SeenRequest&, Peer& peer) {
    peer.reply(200, {}, "{}");
    peer.close();  // The answer didn't announce the close.
  });
  ASSERT_TRUE(get_manifest().ok());
  ASSERT_TRUE(turn([&] { return server_->ended() == 1; }));
  EXPECT_TRUE(get_manifest().ok());
}

TEST_F(FailuresTest, SucceedsAfterEachFailure) {
  std::atomic<int> asked{0};
  serve([&](const SeenRequest&, Peer& peer) {
    const int number = asked++;
    if (number == 0) return peer.reply(500, {{"Connection", "close"}});
    if (number == 1) return peer.close();
    if (number == 2) {
      peer.head(200, {}, 100);
      return peer.close();
    }
    peer.reply(200, {}, "content");
  });
  for (int i = 0; i < 3; ++i) {
    sink_ = {};
    EXPECT_FALSE(get_blob().ok()) << i;
  }
  sink_ = {};
  EXPECT_TRUE(get_blob().ok());
  EXPECT_EQ(sink_.bytes, "content");
}

TEST_F(FailuresTest, IsDeniedWhenATokenAndItsRenewalAreRefusedLater) {
  std::atomic<bool> valid{true};
  serve([&](const SeenRequest& request, Peer& peer) {
    if (request.target.starts_with("/token")) return peer.reply(200, {}, R"({"token":"t"})");
    if (request.headers.get("authorization") && valid) return peer.reply(200, {}, "content");
    peer.reply(401, {{"WWW-Authenticate", "Bearer realm=\"" + server_->url() + "/token\""}});
  });
  ASSERT_TRUE(get_blob().ok());
  valid = false;
  sink_ = {};
  const Status end = get_blob();
  ASSERT_FALSE(end.ok());
  EXPECT_EQ(end.error().code, ErrorCode::kDenied);
  EXPECT_EQ(sink_.starts, 0);
}

}  // namespace
}  // namespace layby::upstream
