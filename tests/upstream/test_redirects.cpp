// SPDX-License-Identifier: Apache-2.0
//
// Redirects of blobs, and that Authorization isn't sent to another port or host. Servers are real
// sockets: "another port" is another server, "another host" is localhost instead of 127.0.0.1.

#include <atomic>

#include "upstream/registry_fixture.h"

namespace layby::upstream {
namespace {

class RedirectsTest : public RegistryTest {
 protected:
  // A registry that wants a token and redirects blobs to `to` with the status `status`.
  void serve_redirects(int status, std::string to) {
    serve([this, status, to](const SeenRequest& request, Peer& peer) {
      if (request.target.starts_with("/token")) {
        return peer.reply(200, {}, R"({"token":"secret-token"})");
      }
      if (request.target.starts_with("/here")) return peer.reply(200, {}, "here");
      if (request.header("authorization") != "Bearer secret-token") {
        return peer.reply(401,
                          {{"WWW-Authenticate", "Bearer realm=\"" + server_->url() + "/token\""}});
      }
      peer.reply(status, {{"Location", to}}, "the redirect's own body");
    });
  }

  TinyHttpServer cdn_{[this](const SeenRequest& request, Peer& peer) {
    if (cdn_status_ != 200) return peer.reply(cdn_status_);
    if (request.headers.get("range")) {
      return peer.reply(206, {{"Content-Range", "bytes 2-6/7"}}, "ntent");
    }
    peer.reply(200, {}, "content");
  }};
  std::atomic<int> cdn_status_{200};
};

TEST_F(RedirectsTest, FollowsEachKindOfRedirect) {
  for (const int status : {301, 302, 307, 308}) {
    sink_ = {};
    serve_redirects(status, cdn_.url() + "/signed?key=1");
    const Status end = get_blob();
    EXPECT_TRUE(end.ok()) << status << " " << message(end);
    EXPECT_EQ(sink_.bytes, "content") << status;
    EXPECT_EQ(sink_.start.size_bytes, 7u) << status;
  }
}

TEST_F(RedirectsTest, SendsNoNsToARedirectsTarget) {
  options_.ns = "ghcr.io";
  serve_redirects(307, cdn_.url() + "/signed?key=1");
  ASSERT_TRUE(get_blob().ok());
  EXPECT_EQ(server_->requests().back().target, blob_target() + "?ns=ghcr.io");
  ASSERT_EQ(cdn_.requests().size(), 1u);
  EXPECT_EQ(cdn_.requests()[0].target, "/signed?key=1");
}

TEST_F(RedirectsTest, FollowsARedirectOfAParentToItselfUnchanged) {
  options_.ns = "ghcr.io";
  serve_redirects(307, "/here?key=1");
  ASSERT_TRUE(get_blob().ok());
  EXPECT_EQ(sink_.bytes, "here");
  EXPECT_EQ(server_->requests().back().target, "/here?key=1");
}

TEST_F(RedirectsTest, SendsNoAuthorizationToAnotherPort) {
  serve_redirects(307, cdn_.url() + "/signed");
  ASSERT_TRUE(get_blob().ok());
  ASSERT_EQ(cdn_.requests().size(), 1u);
  EXPECT_EQ(cdn_.requests()[0].headers.count("authorization"), 0u);
}

TEST_F(RedirectsTest, SendsNoAuthorizationToAnotherHost) {
  serve_redirects(307, "http://localhost:" + std::to_string(cdn_.port()) + "/signed");
  ASSERT_TRUE(get_blob().ok());
  ASSERT_EQ(cdn_.requests().size(), 1u);
  EXPECT_EQ(cdn_.requests()[0].headers.count("authorization"), 0u);
}

TEST_F(RedirectsTest, SendsNoAuthorizationToAnotherNameOnTheSamePort) {
  serve([this](const SeenRequest& request, Peer& peer) {
    if (request.target == "/here") return peer.reply(200, {}, "here");
    if (request.target.starts_with("/token")) {
      return peer.reply(200, {}, R"({"token":"secret-token"})");
    }
    if (!request.headers.get("authorization")) {
      return peer.reply(401,
                        {{"WWW-Authenticate", "Bearer realm=\"" + server_->url() + "/token\""}});
    }
    peer.reply(307,
               {{"Location", "http://localhost:" + std::to_string(server_->port()) + "/here"}});
  });
  ASSERT_TRUE(get_blob().ok());
  const auto followed = server_->requests("/here");
  ASSERT_EQ(followed.size(), 1u);
  EXPECT_EQ(followed[0].headers.count("authorization"), 0u);
}

TEST_F(RedirectsTest, SendsNoBasicCredentialsElsewhere) {
  options_.username = "user";
  options_.password = "secret";
  serve([this](const SeenRequest& request, Peer& peer) {
    if (!request.headers.get("authorization")) {
      return peer.reply(401, {{"WWW-Authenticate", "Basic realm=\"x\""}});
    }
    peer.reply(307, {{"Location", cdn_.url() + "/signed"}});
  });
  ASSERT_TRUE(get_blob().ok());
  EXPECT_EQ(cdn_.requests()[0].headers.count("authorization"), 0u);
}

TEST_F(RedirectsTest, FollowsARelativeLocation) {
  serve_redirects(302, "/here");
  ASSERT_TRUE(get_blob().ok());
  EXPECT_EQ(sink_.bytes, "here");
}

TEST_F(RedirectsTest, AsksTheRegistryAnewForEachAttempt) {
  serve_redirects(307, cdn_.url() + "/signed");
  ASSERT_TRUE(get_blob().ok());
  sink_ = {};
  ASSERT_TRUE(get_blob().ok());
  EXPECT_EQ(server_->count("/v2/"), 3u);
  EXPECT_EQ(cdn_.requests().size(), 2u);
}

TEST_F(RedirectsTest, KeepsTheRange) {
  serve_redirects(307, cdn_.url() + "/signed");
  ASSERT_TRUE(get_blob(2).ok());
  EXPECT_EQ(cdn_.requests()[0].header("range"), "bytes=2-");
  EXPECT_EQ(sink_.bytes, "ntent");
  EXPECT_EQ(sink_.start.offset, 2u);
}

TEST_F(RedirectsTest, KeepsTheHeadMethod) {
  serve_redirects(307, cdn_.url() + "/signed");
  const auto head = head_blob();
  ASSERT_TRUE(head.ok());
  EXPECT_EQ(head->size_bytes, 7u);
  EXPECT_EQ(cdn_.requests()[0].method, "HEAD");
}

TEST_F(RedirectsTest, GivesUpOnALoop) {
  serve([this](const SeenRequest&, Peer& peer) {
    peer.reply(302, {{"Location", server_->url() + "/again"}});
  });
  const Status end = get_blob();
  ASSERT_FALSE(end.ok());
  EXPECT_EQ(end.error().code, ErrorCode::kInvalid);
  EXPECT_EQ(server_->requests().size(), 6u);
  EXPECT_EQ(sink_.starts, 0);
}

TEST_F(RedirectsTest, FollowsNothingButHttp) {
  for (const char* to : {"file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1:1/x"}) {
    sink_ = {};
    serve_redirects(307, to);
    const Status end = get_blob();
    ASSERT_FALSE(end.ok()) << to;
    EXPECT_EQ(end.error().code, ErrorCode::kInvalid) << to;
  }
}

TEST_F(RedirectsTest, FollowsNoLocationWithAUserInIt) {
  serve_redirects(307, "http://user:pass@" + cdn_.address() + "/signed");
  const Status end = get_blob();
  ASSERT_FALSE(end.ok());
  EXPECT_EQ(end.error().code, ErrorCode::kInvalid) << message(end);
  EXPECT_TRUE(cdn_.requests().empty());
}

// To curl, a Location that consists of a vertical tab is empty.
TEST_F(RedirectsTest, IsCorruptWhenTheLocationIsEmpty) {
  for (const char* to : {"", " \t", "\v"}) {
    sink_ = {};
    serve_redirects(307, to);
    const Status end = get_blob();
    ASSERT_FALSE(end.ok());
    EXPECT_EQ(end.error().code, ErrorCode::kCorrupt) << message(end);
    EXPECT_EQ(sink_.starts, 0);
    EXPECT_EQ(sink_.bytes, "");
  }
}

TEST_F(RedirectsTest, IsCorruptWhenTheLocationIsEmptyAndThereIsNoBody) {
  for (const char* to : {"", "\v"}) {
    sink_ = {};
    serve_reply(307, {{"Location", to}});
    const Status end = get_blob();
    ASSERT_FALSE(end.ok());
    EXPECT_EQ(end.error().code, ErrorCode::kCorrupt) << message(end);
    EXPECT_EQ(sink_.starts, 0);
  }
}

TEST_F(RedirectsTest, FollowsTheFirstLocationThatIsNotEmpty) {
  serve_reply(307, {{"Location", ""}, {"Location", cdn_.url() + "/signed"}}, "not this");
  ASSERT_TRUE(get_blob().ok());
  EXPECT_EQ(sink_.starts, 1);
  EXPECT_EQ(sink_.bytes, "content");
}

TEST_F(RedirectsTest, IsUnavailableWhenASignatureIsRefused) {
  for (const int status : {401, 403}) {
    sink_ = {};
    cdn_status_ = status;
    serve_redirects(307, cdn_.url() + "/signed?signature=topsecret");
    const Status end = get_blob();
    ASSERT_FALSE(end.ok());
    EXPECT_EQ(end.error().code, ErrorCode::kUnavailable) << status;
    EXPECT_EQ(server_->count("/token"), 1u) << "a 401 from elsewhere asks for no token";
    EXPECT_EQ(end.error().message.find("topsecret"), std::string::npos);
    EXPECT_TRUE(end.error().message.starts_with(cdn_.address())) << end.error().message;
  }
}

TEST_F(RedirectsTest, ShowsNoSignatureWhenTheTargetCantBeReached) {
  serve_redirects(307, "http://127.0.0.1:1/blob?signature=topsecret");
  const Status end = get_blob();
  ASSERT_FALSE(end.ok());
  EXPECT_EQ(end.error().code, ErrorCode::kUnavailable);
  EXPECT_TRUE(end.error().message.starts_with("127.0.0.1:1: GET ")) << end.error().message;
  EXPECT_EQ(end.error().message.find("topsecret"), std::string::npos) << end.error().message;
  EXPECT_EQ(end.error().message.find("secret-token"), std::string::npos) << end.error().message;
}

}  // namespace
}  // namespace layby::upstream
