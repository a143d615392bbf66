// SPDX-License-Identifier: Apache-2.0
//
// A TlsSession on a socket pair whose client takes nothing until the test says so, so that a
// full socket cuts a record anywhere. Client and session run on the test's thread.

#include "server/tls_session.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <memory>
#include <string>

#include "layby/base/fd.h"
#include "server/openssl_ptr.h"
#include "server_test.h"
#include "support/certificate.h"
#include "support/temp_dir.h"

namespace layby::server {
namespace {

class TlsSessionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::signal(SIGPIPE, SIG_IGN);
    const TlsIdentity::Files files{folder_.path() + "/certificate.pem",
                                   folder_.path() + "/key.pem"};
    testing::write_certificate(files.certificate_file, files.key_file, "test");
    auto identity = TlsIdentity::load(files, nullptr);
    ASSERT_TRUE(identity.ok());
    identity_ = *identity;
  }

  // Makes client and session, on a socket with a small buffer, and completes the handshake.
  void open(std::uint8_t max_fragment = TLSEXT_max_fragment_length_DISABLED) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
    server_end_.reset(ends[0]);
    client_end_.reset(ends[1]);
    session_ = std::make_unique<TlsSession>(server_end_.get(), *identity_, counters_);
    SSL_CTX_set_tlsext_max_fragment_length(client_context_.get(), max_fragment);
    client_.reset(SSL_new(client_context_.get()));
    SSL_set_fd(client_.get(), client_end_.get());
    SSL_set_connect_state(client_.get());
    char byte = 0;
    while (SSL_do_handshake(client_.get()) != 1) session_->read(&byte, 1);
    session_->read(&byte, 1);
    ASSERT_EQ(counters_.tls_handshakes.load(), 1U);
    const int few = 1;  // The kernel takes its smallest possible size instead.
    ::setsockopt(server_end_.get(), SOL_SOCKET, SO_SNDBUF, &few, sizeof few);
  }

  void make_file(const std::string& bytes) {
    file_.reset(::memfd_create("file", MFD_CLOEXEC));
    ASSERT_TRUE(write_at(file_.get(), bytes, 0).ok());
  }

  // Takes all that has arrived.
  void receive() {
    std::array<char, 4096> buffer;
    int n = 0;
    while ((n = SSL_read(client_.get(), buffer.data(), buffer.size())) > 0) {
      received_.append(buffer.data(), static_cast<std::size_t>(n));
    }
  }

  testing::TempDir folder_;
  std::shared_ptr<const TlsIdentity> identity_;
  Counters counters_;
  UniqueFd server_end_;
  UniqueFd client_end_;
  UniqueFd file_;
  const SslContextPtr client_context_{SSL_CTX_new(TLS_client_method())};
  std::unique_ptr<TlsSession> session_;
  SslPtr client_;
  std::string received_;
};

TEST_F(TlsSessionTest, AHeadOfManySmallRecordsIsNotCutByAFullSocket) {
  open(TLSEXT_max_fragment_length_512);
  const std::string head = testing::patterned(12'000);
  const std::string body = testing::patterned(200'000);
  make_file(body);
  ASSERT_EQ(session_->send(head, "", true), static_cast<ssize_t>(head.size()));
  std::size_t sent = 0;
  bool was_full_in_the_head = false;
  while (sent < body.size()) {
    const ssize_t n = session_->send_file(file_.get(), sent, body.size() - sent);
    if (n < 0) {
      ASSERT_EQ(errno, EAGAIN);
      if (sent == 0) was_full_in_the_head = true;
      receive();
      continue;
    }
    ASSERT_GT(n, 0);
    sent += static_cast<std::size_t>(n);
  }
  receive();
  EXPECT_TRUE(was_full_in_the_head);
  EXPECT_TRUE(received_ == head + body) << received_.size();
}

TEST_F(TlsSessionTest, AClientThatLeavesMakesWritesFail) {
  open();
  client_end_.reset();
  EXPECT_EQ(session_->send("head", "text", false), -1);
  EXPECT_EQ(errno, EPIPE);
  EXPECT_EQ(session_->send("head", "text", false), -1) << "the session stays failed";
  EXPECT_EQ(errno, EPROTO);
}

TEST_F(TlsSessionTest, BytesAfterTheEndStaySealed) {
  open();
  session_->end_sending();
  session_->end_sending();
  ASSERT_EQ(SSL_write(client_.get(), "hello", 5), 5);
  std::array<char, 64> buffer{};
  const ssize_t n = session_->read(buffer.data(), buffer.size());
  ASSERT_GT(n, 5);
  EXPECT_EQ(std::string(buffer.data(), static_cast<std::size_t>(n)).find("hello"),
            std::string::npos);
  EXPECT_FALSE(session_->has_unread());
}

TEST_F(TlsSessionTest, AFailedHandshakeIsCountedOnce) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
  server_end_.reset(ends[0]);
  client_end_.reset(ends[1]);
  TlsSession session(server_end_.get(), *identity_, counters_);
  ASSERT_EQ(::send(client_end_.get(), "nonsense\n", 9, 0), 9);
  char byte = 0;
  EXPECT_EQ(session.read(&byte, 1), -1);
  EXPECT_EQ(session.read(&byte, 1), -1);
  EXPECT_EQ(errno, EPROTO);
  session.end_sending();
  EXPECT_EQ(counters_.tls_failures.load(), 1U);
}

}  // namespace
}  // namespace layby::server
