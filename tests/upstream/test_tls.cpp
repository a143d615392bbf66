// SPDX-License-Identifier: Apache-2.0
//
// Which certificates of an https registry are trusted, and that a redirect from https to http is
// refused.

#include "support/temp_dir.h"
#include "upstream/registry_fixture.h"
#include "upstream/test_certificates.h"

namespace layby::upstream {
namespace {

class TlsTest : public RegistryTest {
 protected:
  TlsTest() {
    authority_.write(ca_file_);
    options_.ca_file = ca_file_;
  }
  // The server's threads use tls_, so they must end before tls_ is destroyed.
  ~TlsTest() override { server_.reset(); }

  // A server with a certificate for `names`, and a registry on it.
  void serve_tls(const std::string& names, TinyHttpServer::Handler handler) {
    server_.reset();
    tls_ = authority_.server(names);
    server_ = std::make_unique<TinyHttpServer>(std::move(handler), tls_.get());
    connect(server_->url());
  }
  static void reply(const SeenRequest&, Peer& peer) { peer.reply(200, {}, "content"); }

  testing::TempDir dir_;
  const std::string ca_file_ = dir_.path() + "/ca.pem";
  testing::TestAuthority authority_;
  testing::TlsPtr tls_;
};

TEST_F(TlsTest, TrustsTheAuthorityOfTheOptions) {
  serve_tls("IP:127.0.0.1", reply);
  const auto manifest = get_manifest();
  ASSERT_TRUE(manifest.ok()) << manifest.error().message;
  EXPECT_EQ(manifest->bytes, "content");
  ASSERT_TRUE(get_blob().ok());
  EXPECT_EQ(sink_.bytes, "content");
  EXPECT_EQ(server_->accepted(), 1);
}

TEST_F(TlsTest, ResumesASessionOnANewConnection) {
  serve_tls("IP:127.0.0.1", [](const SeenRequest&, Peer& peer) {
    peer.reply(200, {{"Connection", "close"}}, "content");
    peer.close();
  });
  ASSERT_TRUE(get_manifest().ok());
  ASSERT_TRUE(get_manifest().ok());
  EXPECT_EQ(server_->accepted(), 2);
  EXPECT_EQ(SSL_CTX_sess_hits(tls_.get()), 1);
}

TEST_F(TlsTest, TrustsNoOtherAuthority) {
  options_.ca_file = "";
  serve_tls("IP:127.0.0.1", reply);
  const auto manifest = get_manifest();
  ASSERT_FALSE(manifest.ok());
  EXPECT_EQ(manifest.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(manifest.error().message.find("TLS failed"), std::string::npos);
  EXPECT_NE(manifest.error().message.find("ca_file"), std::string::npos);
  EXPECT_TRUE(server_->requests().empty());
}

TEST_F(TlsTest, RefusesACertificateForAnotherName) {
  serve_tls("DNS:registry.example", reply);
  const auto manifest = get_manifest();
  ASSERT_FALSE(manifest.ok());
  EXPECT_EQ(manifest.error().code, ErrorCode::kUnavailable);
  EXPECT_TRUE(server_->requests().empty());
}

TEST_F(TlsTest, ReportsAMissingFileOfTheAuthority) {
  options_.ca_file = dir_.path() + "/missing.pem";
  serve_tls("IP:127.0.0.1", reply);
  const auto manifest = get_manifest();
  ASSERT_FALSE(manifest.ok());
  EXPECT_NE(manifest.error().message.find("ca_file"), std::string::npos)
      << manifest.error().message;
}

TEST_F(TlsTest, TimesOutWhereTheHandshakeHangs) {
  options_.connect_timeout = 100ms;
  serve_reply(200);  // The server waits for the end of a head, which a TLS hello never has.
  connect("https://" + server_->address());
  const auto manifest = get_manifest();
  ASSERT_FALSE(manifest.ok());
  EXPECT_EQ(manifest.error().code, ErrorCode::kTimedOut);
}

TEST_F(TlsTest, IsUnavailableWhenATlsServerIsAskedByHttp) {
  serve_tls("IP:127.0.0.1", reply);
  connect("http://" + server_->address());
  const auto manifest = get_manifest();
  ASSERT_FALSE(manifest.ok());
  EXPECT_EQ(manifest.error().code, ErrorCode::kUnavailable);
}

TEST_F(TlsTest, FollowsNoRedirectDownToHttp) {
  const TinyHttpServer plain(reply);
  for (const std::string scheme : {"http://", "HTTP://", "hTTp://"}) {
    sink_ = {};
    serve_tls("IP:127.0.0.1", [&](const SeenRequest&, Peer& peer) {
      peer.reply(307, {{"Location", scheme + plain.address() + "/blob"}});
    });
    const Status end = get_blob();
    ASSERT_FALSE(end.ok());
    EXPECT_EQ(end.error().code, ErrorCode::kInvalid) << message(end);
  }
  EXPECT_TRUE(plain.requests().empty());
}

TEST_F(TlsTest, FollowsNoRedirectBackDownToHttpAfterOneToHttps) {
  const TinyHttpServer plain(reply);
  const testing::TlsPtr tls = authority_.server("IP:127.0.0.1");
  const TinyHttpServer secure(
      [&](const SeenRequest&, Peer& peer) {
        peer.reply(307, {{"Location", plain.url() + "/blob"}});
      },
      tls.get());
  serve_reply(307, {{"Location", secure.url() + "/blob"}});
  const Status end = get_blob();
  ASSERT_FALSE(end.ok());
  EXPECT_EQ(end.error().code, ErrorCode::kInvalid) << message(end);
  EXPECT_EQ(secure.requests().size(), 1u);
  EXPECT_TRUE(plain.requests().empty());
}

TEST_F(TlsTest, SendsNoAuthorizationFromHttpsToAnotherPort) {
  const testing::TlsPtr tls = authority_.server("IP:127.0.0.1");
  const TinyHttpServer cdn(reply, tls.get());
  options_.username = "user";
  options_.password = "secret";
  serve_tls("IP:127.0.0.1", [&](const SeenRequest& request, Peer& peer) {
    if (!request.headers.get("authorization")) {
      return peer.reply(401, {{"WWW-Authenticate", "Basic realm=\"x\""}});
    }
    peer.reply(307, {{"Location", cdn.url() + "/blob"}});
  });
  ASSERT_TRUE(get_blob().ok());
  EXPECT_EQ(cdn.requests().at(0).headers.count("authorization"), 0u);
}

TEST_F(TlsTest, SendsNoCredentialsToATokenServerWithoutTls) {
  const TinyHttpServer plain(
      [](const SeenRequest&, Peer& peer) { peer.reply(200, {}, R"({"token":"t"})"); });
  options_.username = "user";
  options_.password = "secret";
  serve_tls("IP:127.0.0.1", [&](const SeenRequest& request, Peer& peer) {
    if (request.header("authorization") == "Bearer t") return peer.reply(200, {}, "content");
    peer.reply(401, {{"WWW-Authenticate", "Bearer realm=\"" + plain.url() + "/token\""}});
  });
  ASSERT_TRUE(get_manifest().ok());
  ASSERT_EQ(plain.requests().size(), 1u);
  EXPECT_EQ(plain.requests()[0].headers.count("authorization"), 0u);
}

TEST_F(TlsTest, PausesAndGoesOn) {
  serve_tls("IP:127.0.0.1",
            [](const SeenRequest&, Peer& peer) { peer.reply(200, {}, std::string(4 << 20, 'x')); });
  sink_.then_bytes = [&] {
    transfer_->pause();
    loop_->defer([&] { transfer_->resume(); });
  };
  ASSERT_TRUE(get_blob().ok()) << message(sink_.end);
  EXPECT_EQ(sink_.bytes.size(), 4u << 20);
}

TEST_F(TlsTest, IsUnavailableWhenCutOff) {
  serve_tls("IP:127.0.0.1", [](const SeenRequest&, Peer& peer) {
    peer.head(200, {}, 100);
    peer.raw("some");
    peer.close();
  });
  const Status end = get_blob();
  ASSERT_FALSE(end.ok());
  EXPECT_EQ(end.error().code, ErrorCode::kUnavailable) << message(end);
}

}  // namespace
}  // namespace layby::upstream
