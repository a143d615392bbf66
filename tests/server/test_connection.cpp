// SPDX-License-Identifier: Apache-2.0
//
// Tests a connection on a socket pair. The test itself, not the loop, reports the socket's events
// to the connection. However the loop reports events, the connection must take up requests in their
// order.

#include "server/connection.h"

#include "server/server_test.h"

namespace layby::testing {
namespace {

class ConnectionTest : public ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
    client_end_.reset(ends[1]);
    server::ClientInfo client;
    client.address = "10.0.0.7";
    connection_ = std::make_unique<server::Connection>(
        shared_, server::ClientSocket(UniqueFd(ends[0]), nullptr, counters_), client,
        server::ClientPlace(), [](server::Connection&) {});
  }
  void TearDown() override { connection_.reset(); }

  void send(std::string_view bytes) const {
    ASSERT_EQ(::send(client_end_.get(), bytes.data(), bytes.size(), 0),
              static_cast<ssize_t>(bytes.size()));
  }
  static std::string get(const std::string& path) {
    return "GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n";
  }
  // Takes all that has arrived.
  std::size_t receive() const {
    std::array<char, 64 << 10> buffer;
    std::size_t bytes = 0;
    ssize_t n = 0;
    while ((n = ::recv(client_end_.get(), buffer.data(), buffer.size(), 0)) > 0) {
      bytes += static_cast<std::size_t>(n);
    }
    return bytes;
  }
  std::vector<std::string> paths() const {
    std::vector<std::string> paths;
    for (const auto& request : handler_.seen) paths.push_back(request.path);
    return paths;
  }

  const server::HttpServer::Context context_{*loop_, workers_, clock_, counters_};
  server::HeadWriter head_writer_{clock_};
  server::SpareTransaction spare_;
  server::ClientLimits clients_{limits_, clock_};
  int long_blobs_ = 0;
  policy::SendBudget send_budget_{policy::kMostSendBufferBytes};
  server::Connection::Context shared_{context_, limits_,  handler_,    nullptr,     head_writer_,
                                      spare_,   clients_, long_blobs_, send_budget_};
  UniqueFd client_end_;
  std::unique_ptr<server::Connection> connection_;
};

TEST_F(ConnectionTest, KeepsTheOrderOfRequestsWhenBothEventsComeAtOnce) {
  handler_.answer = nullptr;
  send(get("/1") + get("/2"));
  connection_->start();
  constexpr std::size_t kTextBytes = 300'000;
  handler_.respond(text_response(patterned(kTextBytes)));
  ASSERT_LT(receive(), kTextBytes) << "the socket was full";
  send(get("/3"));
  event::IoHandler& handler = *connection_;
  handler.on_io(true, true);  // Sends the rest of the text.
  handler.on_io(true, true);
  ASSERT_EQ(handler_.waiting(), 1u);
  handler_.respond(text_response("two"));
  handler.on_io(true, true);
  EXPECT_EQ(paths(), (std::vector<std::string>{"/1", "/2", "/3"}));
}

}  // namespace
}  // namespace layby::testing
