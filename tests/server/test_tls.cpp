// SPDX-License-Identifier: Apache-2.0
//
// HTTPS: answers arrive unchanged, sessions are resumed, a new identity serves only new
// connections, and a client without TLS is told to use TLS.

#include <fcntl.h>
#include <openssl/ssl.h>

#include <csignal>
#include <fstream>

#include "layby/server/tls_identity.h"
#include "scripted_stream.h"
#include "server_test.h"
#include "support/certificate.h"
#include "support/temp_dir.h"

namespace layby::server {
namespace {

using testing::GrowingBlob;
using testing::patterned;
using testing::text_response;

// A TLS client on the test's thread. Each call makes one attempt; the test turns the loop
// between calls.
class TlsClient {
 public:
  explicit TlsClient(const std::string& address, SSL_SESSION* resumed = nullptr)
      : context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free) {
    sockaddr_in to{};
    const auto colon = address.rfind(':');
    to.sin_family = AF_INET;
    ::inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
    to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
    fd_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    ::fcntl(fd_.get(), F_SETFL, O_NONBLOCK);
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), fd_.get());
    SSL_set_connect_state(ssl_.get());
    if (resumed != nullptr) SSL_set_session(ssl_.get(), resumed);
  }

  // Makes one step of the handshake. Returns whether the handshake is complete.
  bool shake() { return SSL_do_handshake(ssl_.get()) == 1; }
  // Sends `text`. Returns whether the whole text was sent.
  bool send(const std::string& text) {
    return SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size())) > 0;
  }
  // The bytes received so far.
  const std::string& received() {
    std::array<char, 16 << 10> buffer;
    int n = 0;
    while ((n = SSL_read(ssl_.get(), buffer.data(), buffer.size())) > 0) {
      received_.append(buffer.data(), static_cast<std::size_t>(n));
    }
    ended_ = ended_ || SSL_get_error(ssl_.get(), n) == SSL_ERROR_ZERO_RETURN;
    return received_;
  }
  bool ended() const { return ended_; }  // By the server's close_notify.
  std::string body() {
    const std::string& all = received();
    const auto end = all.find("\r\n\r\n");
    return end == std::string::npos ? "" : all.substr(end + 4);
  }
  void forget() { received_.clear(); }

  std::string peer_name() const {
    std::array<char, 64> name{};
    const std::unique_ptr<X509, void (*)(X509*)> peer(SSL_get1_peer_certificate(ssl_.get()),
                                                      X509_free);
    X509_NAME_get_text_by_NID(X509_get_subject_name(peer.get()), NID_commonName, name.data(),
                              static_cast<int>(name.size()));
    return name.data();
  }
  bool resumed() const { return SSL_session_reused(ssl_.get()) != 0; }
  SSL_SESSION* session() const { return SSL_get1_session(ssl_.get()); }

 private:
  UniqueFd fd_;
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_;
  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  std::unique_ptr<SSL, Free> ssl_;
  std::string received_;
  bool ended_ = false;
};

class TlsTest : public testing::ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    std::signal(SIGPIPE, SIG_IGN);
    make_server();
    const auto bound = server_->listen_tls("127.0.0.1:0", identity("first"));
    ASSERT_TRUE(bound.ok()) << bound.error().message;
    address_ = *bound;
  }

  std::shared_ptr<const TlsIdentity> identity(const std::string& name) {
    testing::write_certificate(files_.certificate_file, files_.key_file, name);
    auto loaded = TlsIdentity::load(files_, identity_.get());
    EXPECT_TRUE(loaded.ok()) << (loaded.ok() ? "" : loaded.error().message);
    identity_ = *loaded;
    return identity_;
  }

  std::unique_ptr<TlsClient> shaken(SSL_SESSION* resumed = nullptr) {
    auto client = std::make_unique<TlsClient>(address_, resumed);
    EXPECT_TRUE(turn_until([&] { return client->shake(); }));
    return client;
  }
  void get(TlsClient& client, const std::string& path, const std::string& more = "") {
    EXPECT_TRUE(client.send("GET " + path + " HTTP/1.1\r\nHost: a\r\n" + more + "\r\n"));
  }

  testing::TempDir folder_;
  TlsIdentity::Files files_{folder_.path() + "/certificate.pem", folder_.path() + "/key.pem"};
  std::shared_ptr<const TlsIdentity> identity_;
};

TEST_F(TlsTest, AnswersSeveralRequestsOnOneConnection) {
  const auto client = shaken();
  for (const char* path : {"/a", "/b"}) {
    client->forget();
    get(*client, path);
    EXPECT_TRUE(turn_until([&] { return client->body() == std::string("you asked for ") + path; }));
  }
  EXPECT_EQ(counters_.tls_handshakes.load(), 1U);
}

TEST_F(TlsTest, ABlobOfManyRecordsComesWhole) {
  GrowingBlob blob(patterned(3'000'001));
  handler_.answer = [&](const Request&) { return blob.response(); };
  const auto client = shaken();
  get(*client, "/blob");
  EXPECT_TRUE(turn_until([&] { return client->body().size() == blob.bytes().size(); }));
  EXPECT_EQ(client->body(), blob.bytes());
}

TEST_F(TlsTest, ARangeOfAGrowingBlobComesWhole) {
  GrowingBlob blob(patterned(400'000), 20'000);
  handler_.answer = [&](const Request&) { return blob.response(http::ByteRange{10'000, 300'000}); };
  const auto client = shaken();
  get(*client, "/blob");
  EXPECT_TRUE(turn_until([&] { return client->body().size() == 10'000; }));
  blob.grow_to(200'000);
  EXPECT_TRUE(turn_until([&] { return client->body().size() == 190'000; }));
  blob.grow_to(400'000);
  EXPECT_TRUE(turn_until([&] { return client->body().size() == 300'000; }));
  EXPECT_EQ(client->body(), blob.bytes().substr(10'000, 300'000));
}

TEST_F(TlsTest, SeveralRangesComeWhole) {
  http::ByteRanges ranges{{1'500'000, 1'500'001}, {20, 1}};
  for (std::uint64_t i = 1; i < 1000; ++i) ranges.push_back({i * 1000, 1 + i % 999});
  GrowingBlob blob(patterned(3'000'001));
  handler_.answer = [&](const Request&) { return blob.multipart(ranges); };
  const std::string body = blob.multipart_body(ranges);
  const auto client = shaken();
  for (int i = 0; i < 2; ++i) {
    client->forget();
    get(*client, "/blob");
    EXPECT_TRUE(turn_until([&] { return client->body().size() == body.size(); }));
    EXPECT_TRUE(client->body() == body);
  }
}

TEST_F(TlsTest, SeveralRangesOfAGrowingBlobComeWhole) {
  const http::ByteRanges ranges{{10'000, 300'000}, {320'000, 5}, {399'999, 1}};
  GrowingBlob blob(patterned(400'000), 20'000);
  handler_.answer = [&](const Request&) { return blob.multipart(ranges); };
  const std::string body = blob.multipart_body(ranges);
  const auto client = shaken();
  get(*client, "/blob");
  for (const std::uint64_t readable : {200'000, 320'000, 320'004, 399'999, 400'000}) {
    blob.grow_to(readable);
    turn_for(std::chrono::milliseconds(1));
  }
  EXPECT_TRUE(turn_until([&] { return client->body().size() == body.size(); }));
  EXPECT_TRUE(client->body() == body);
}

TEST_F(TlsTest, ATextOfManyRecordsComesWhole) {
  const std::string text = patterned(300'000);
  handler_.answer = [&](const Request&) { return text_response(text); };
  const auto client = shaken();
  get(*client, "/text");
  EXPECT_TRUE(turn_until([&] { return client->body().size() == text.size(); }));
  EXPECT_EQ(client->body(), text);
}

TEST_F(TlsTest, AStreamComesWholeInChunks) {
  const std::string bytes = patterned(1'000'000);
  testing::ScriptedStream script(bytes.substr(0, 300'000));
  handler_.answer = [&](const Request&) { return script.response(); };
  const auto client = shaken();
  get(*client, "/stream");
  EXPECT_TRUE(turn_until([&] { return client->body().size() > 300'000; }));
  script.give(bytes.substr(300'000));
  script.end();
  EXPECT_TRUE(turn_until([&] { return client->body().ends_with("\r\n0\r\n\r\n"); }));
  EXPECT_EQ(testing::unchunked(client->body()), bytes);
  server_.reset();
}

TEST_F(TlsTest, AStreamThatFailsWithoutALengthHasNoCloseNotify) {
  testing::ScriptedStream script("hello");
  handler_.answer = [&](const Request&) { return script.response(); };
  const auto client = shaken();
  EXPECT_TRUE(client->send("GET /stream HTTP/1.0\r\n\r\n"));
  EXPECT_TRUE(turn_until([&] { return client->body() == "hello"; }));
  script.fail();
  EXPECT_TRUE(turn_until([&] { return server_->connections() == 0; }));
  client->received();
  EXPECT_FALSE(client->ended());
}

TEST_F(TlsTest, RequestsInOneRecordAreAllAnswered) {
  const auto client = shaken();
  std::string many;
  for (int i = 0; i < 20; ++i) many += "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";
  EXPECT_TRUE(client->send(many));
  EXPECT_TRUE(turn_until([&] { return counters_.requests.load() == 20; }));
}

TEST_F(TlsTest, RequestsInManyRecordsAreAllAnswered) {
  const auto client = shaken();
  for (int i = 0; i < 20; ++i) get(*client, "/x");
  EXPECT_TRUE(turn_until([&] { return counters_.requests.load() == 20; }));
}

TEST_F(TlsTest, AHeadInPiecesIsOneRequest) {
  const auto client = shaken();
  for (const char* piece : {"GET /pie", "ces HTTP/1.1\r\nHo", "st: a\r\n", "\r\n"}) {
    EXPECT_TRUE(client->send(piece));
  }
  EXPECT_TRUE(turn_until([&] { return client->body() == "you asked for /pieces"; }));
}

TEST_F(TlsTest, AClosingAnswerEndsWithCloseNotify) {
  const auto client = shaken();
  get(*client, "/last", "Connection: close\r\n");
  EXPECT_TRUE(turn_until([&] { return client->body() == "you asked for /last"; }));
  EXPECT_TRUE(turn_until([&] {
    client->received();
    return client->ended();
  }));
}

TEST_F(TlsTest, ASessionIsResumedEvenWithANewIdentity) {
  const auto first = shaken();
  get(*first, "/a");
  EXPECT_TRUE(turn_until([&] { return first->body() == "you asked for /a"; }));
  const std::unique_ptr<SSL_SESSION, void (*)(SSL_SESSION*)> session(first->session(),
                                                                     SSL_SESSION_free);
  server_->set_identity(identity("second"));
  const auto again = shaken(session.get());
  EXPECT_TRUE(again->resumed());
  get(*again, "/b");
  EXPECT_TRUE(turn_until([&] { return again->body() == "you asked for /b"; }));
  EXPECT_EQ(counters_.tls_resumptions.load(), 1U);
}

TEST_F(TlsTest, ANewIdentityIsForNewConnections) {
  const auto old = shaken();
  server_->set_identity(identity("second"));
  const auto young = shaken();
  EXPECT_EQ(old->peer_name(), "first");
  EXPECT_EQ(young->peer_name(), "second");
  get(*old, "/still");
  EXPECT_TRUE(turn_until([&] { return old->body() == "you asked for /still"; }));
}

TEST_F(TlsTest, PlainHttpIsToldToUseHttps) {
  const auto client = connect();
  client->get("/");
  EXPECT_EQ(answer_of(*client).status, 400);
  EXPECT_TRUE(ends(*client));
  EXPECT_EQ(counters_.tls_failures.load(), 1U);
}

TEST_F(TlsTest, AClientThatLeavesInTheHandshakeIsForgotten) {
  const auto client = connect();
  client->send("\x16\x03\x01");
  EXPECT_TRUE(turn_until([&] { return server_->connections() == 1; }));
  client->close();
  EXPECT_TRUE(turn_until([&] { return server_->connections() == 0; }));
}

TEST_F(TlsTest, AHandshakeThatDripsIsClosedAtTheDeadline) {
  limits_.request_timeout = testing::milliseconds(50);
  make_server();
  const auto bound = server_->listen_tls("127.0.0.1:0", identity_);
  ASSERT_TRUE(bound.ok());
  address_ = *bound;
  const auto client = connect();
  client->send("\x16\x03\x01");
  EXPECT_TRUE(ends(*client));
}

TEST_F(TlsTest, AMalformedCertificateFileIsNamed) {
  std::ofstream(files_.certificate_file) << "nonsense";
  const auto loaded = TlsIdentity::load(files_, nullptr);
  ASSERT_FALSE(loaded.ok());
  EXPECT_NE(loaded.error().message.find(files_.certificate_file), std::string::npos);
}

TEST_F(TlsTest, AKeyOfAnotherCertificateIsRefused) {
  const std::string other = folder_.path() + "/other.pem";
  testing::write_certificate(other, folder_.path() + "/unused.pem", "other");
  const auto loaded = TlsIdentity::load({other, files_.key_file}, nullptr);
  ASSERT_FALSE(loaded.ok());
  EXPECT_NE(loaded.error().message.find(files_.key_file), std::string::npos);
}

TEST_F(TlsTest, AnUnreadableFileIsNamedWithTheSystemsReason) {
  files_.key_file = folder_.path() + "/none.pem";
  const auto loaded = TlsIdentity::load(files_, nullptr);
  ASSERT_FALSE(loaded.ok());
  EXPECT_NE(loaded.error().message.find("none.pem (No such file or directory)"), std::string::npos)
      << loaded.error().message;
}

TEST_F(TlsTest, TheExpiryOfTheCertificateIsKnown) {
  const auto left = identity_->expires_at() - clock_.wall_now();
  EXPECT_GT(left, std::chrono::days(364));
  EXPECT_LE(left, std::chrono::days(365));
}

}  // namespace
}  // namespace layby::server
