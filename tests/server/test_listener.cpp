// SPDX-License-Identifier: Apache-2.0
//
// Listening: addresses, ports in use, and Unix sockets of killed and of running daemons.

#include "server/listener.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "server/server_test.h"
#include "support/temp_dir.h"

namespace layby::testing {
namespace {

class ListenerTest : public ServerTest {
 protected:
  std::string path() const { return dir_.path() + "/layby.sock"; }
  // Leaves a socket behind, as a killed daemon does.
  void leave_stale_socket() const {
    const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path().copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(fd.get(), 1), 0);
  }
  bool exists() const {
    struct stat found {};
    return ::lstat(path().c_str(), &found) == 0;
  }

  TempDir dir_;
};

TEST_F(ListenerTest, ReportsThePortThatItGot) {
  start();
  EXPECT_TRUE(address_.starts_with("127.0.0.1:")) << address_;
  EXPECT_NE(address_, "127.0.0.1:0");
}

TEST_F(ListenerTest, ListensOnSeveralAddresses) {
  start();
  const auto other = server_->listen_tcp("127.0.0.2:0");
  ASSERT_TRUE(other.ok()) << other.error().message;
  Client client(*loop_, *other);
  client.get("/");
  EXPECT_EQ(answer_of(client).status, 200);
}

TEST_F(ListenerTest, ListensToIpv4AndIpv6WithoutAHost) {
  make_server();
  const auto bound = server_->listen_tcp(":0");
  if (!bound.ok()) GTEST_SKIP() << "no IPv6 here: " << bound.error().message;
  EXPECT_TRUE(bound->starts_with("[::]:")) << *bound;
  Client client(*loop_, "127.0.0.1:" + bound->substr(5));
  client.get("/");
  EXPECT_EQ(answer_of(client).status, 200);
}

TEST_F(ListenerTest, ExplainsThatAPortIsInUse) {
  start();
  const auto second = server_->listen_tcp(address_);
  ASSERT_FALSE(second.ok());
  const std::string& message = second.error().message;
  EXPECT_NE(message.find(address_), std::string::npos) << message;
  EXPECT_NE(message.find("another program uses it"), std::string::npos) << message;
}

TEST_F(ListenerTest, SaysThatNoInterfaceHasTheAddress) {
  make_server();
  const auto bound = server_->listen_tcp("192.0.2.77:0");
  ASSERT_FALSE(bound.ok());
  EXPECT_NE(bound.error().message.find("no interface here has"), std::string::npos)
      << bound.error().message;
}

TEST_F(ListenerTest, SaysWhatAUnixSocketNeeds) {
  make_server();
  const auto bound = server_->listen_unix(dir_.path() + "/nowhere/layby.sock");
  ASSERT_FALSE(bound.ok());
  EXPECT_NE(bound.error().message.find("needs a folder"), std::string::npos)
      << bound.error().message;
}

TEST_F(ListenerTest, RefusesAnythingButANumericAddress) {
  make_server();
  for (const char* address : {"localhost:5000", "nowhere", "1.2.3:80", "127.0.0.1:99999", ""}) {
    const auto bound = server_->listen_tcp(address);
    ASSERT_FALSE(bound.ok()) << address;
    EXPECT_EQ(bound.error().code, ErrorCode::kInvalid) << address;
  }
}

TEST_F(ListenerTest, ServesOnAUnixSocket) {
  make_server();
  ASSERT_TRUE(server_->listen_unix(path()).ok());
  Client client(*loop_, path());
  client.get("/local");
  EXPECT_EQ(answer_of(client).body, "you asked for /local");
}

TEST_F(ListenerTest, OnlyOwnerAndGroupMayUseTheUnixSocket) {
  make_server();
  ASSERT_TRUE(server_->listen_unix(path()).ok());
  struct stat found {};
  ASSERT_EQ(::stat(path().c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777u, 0660u);
}

TEST_F(ListenerTest, LetsTheOperatorInAboveTheConnectionLimit) {
  limits_.max_connections = 1;
  start();
  ASSERT_TRUE(server_->listen_unix(path()).ok());
  const auto only = connect();
  ASSERT_TRUE(turn_until([&] { return server_->connections() == 1; }));
  Client client(*loop_, path());
  client.get("/");
  EXPECT_EQ(answer_of(client).status, 200);
}

TEST_F(ListenerTest, ReplacesAStaleUnixSocket) {
  leave_stale_socket();
  make_server();
  const Status listening = server_->listen_unix(path());
  ASSERT_TRUE(listening.ok()) << listening.error().message;
  Client client(*loop_, path());
  client.get("/");
  EXPECT_EQ(answer_of(client).status, 200);
}

TEST_F(ListenerTest, RefusesTheUnixSocketOfALiveDaemon) {
  make_server();
  ASSERT_TRUE(server_->listen_unix(path()).ok());
  const Status second = server_->listen_unix(path());
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().message.find("another layby answers on"), std::string::npos);
  EXPECT_TRUE(exists()) << "the live one keeps its path";
}

TEST_F(ListenerTest, DoesNotReplaceAFileThatIsNotASocket) {
  std::ofstream(path()) << "precious";
  make_server();
  const Status listening = server_->listen_unix(path());
  ASSERT_FALSE(listening.ok());
  EXPECT_NE(listening.error().message.find("is not a socket"), std::string::npos);
  std::string kept;
  std::ifstream(path()) >> kept;
  EXPECT_EQ(kept, "precious");
}

TEST_F(ListenerTest, RefusesAPathTooLongForAUnixSocket) {
  make_server();
  EXPECT_FALSE(server_->listen_unix("/" + std::string(200, 'p')).ok());
  EXPECT_FALSE(server_->listen_unix("").ok());
}

TEST_F(ListenerTest, NamesAMissingFolder) {
  make_server();
  const Status listening = server_->listen_unix(dir_.path() + "/missing/layby.sock");
  ASSERT_FALSE(listening.ok());
  EXPECT_NE(listening.error().message.find("/missing/layby.sock"), std::string::npos);
}

sockaddr_storage ipv4_peer() {
  sockaddr_storage peer{};
  auto* v4 = reinterpret_cast<sockaddr_in*>(&peer);
  v4->sin_family = AF_INET;
  ::inet_pton(AF_INET, "10.0.0.7", &v4->sin_addr);
  return peer;
}

TEST_F(ListenerTest, AClientIsKnownByItsIpAddress) {
  const auto client = server::client_at(ipv4_peer(), false);
  ASSERT_TRUE(client.has_value());
  EXPECT_EQ(client->address, "10.0.0.7");
  EXPECT_EQ(client->ip, parse_ip_address("10.0.0.7"));
  EXPECT_FALSE(client->is_local);
}

TEST_F(ListenerTest, AMappedIpv4AddressIsWrittenAsIpv4) {
  sockaddr_storage peer{};
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&peer);
  v6->sin6_family = AF_INET6;
  ::inet_pton(AF_INET6, "::ffff:10.0.0.7", &v6->sin6_addr);
  EXPECT_EQ(server::client_at(peer, false)->address, "10.0.0.7");
}

TEST_F(ListenerTest, AClientWhoseAddressIsNotIpIsNotLetIn) {
  for (const sa_family_t family : {AF_UNIX, AF_UNSPEC, AF_VSOCK}) {
    sockaddr_storage peer{};
    peer.ss_family = family;
    EXPECT_FALSE(server::client_at(peer, false).has_value()) << family;
  }
}

TEST_F(ListenerTest, OnlyAClientOfTheUnixSocketIsLocal) {
  sockaddr_storage unnamed{};
  unnamed.ss_family = AF_UNIX;
  EXPECT_TRUE(server::client_at(unnamed, true)->is_local);
  EXPECT_EQ(server::client_at(unnamed, true)->address, "local");
}

TEST_F(ListenerTest, RemovesItsUnixSocketAtTheEnd) {
  make_server();
  ASSERT_TRUE(server_->listen_unix(path()).ok());
  server_.reset();
  EXPECT_FALSE(exists());
}

}  // namespace
}  // namespace layby::testing
