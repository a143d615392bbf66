// SPDX-License-Identifier: Apache-2.0
//
// Tests the send buffer of a socket whose path the test chooses, and what TCP says about loopback.

#include "server/send_window.h"

#include <algorithm>

#include "server/server_test.h"
#include "support/fake_clock.h"

namespace layby::testing {
namespace {

using policy::TcpPath;
using std::chrono::microseconds;

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kSendBufferLock = 1;  // SOCK_SNDBUF_LOCK of linux/socket.h.

class SendWindowTest : public ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    start();
    client_ = connect();
    ASSERT_TRUE(turn_until([&] { return counters_.connections_accepted == 1; }));
    // The client's own end of the connection stands for the server's end.
    set(SO_SNDBUF, policy::kNearSendBufferBytes);
    path_ = TcpPath{microseconds(50'000), 14'600};
    looks_ = 0;
  }

  void set(int name, std::uint64_t value) const {
    const auto number = static_cast<int>(value);
    ASSERT_EQ(::setsockopt(client_->fd(), SOL_SOCKET, name, &number, sizeof number), 0);
  }
  std::uint64_t get(int name) const {
    int value = 0;
    socklen_t length = sizeof value;
    EXPECT_EQ(::getsockopt(client_->fd(), SOL_SOCKET, name, &value, &length), 0);
    return static_cast<std::uint64_t>(value);
  }
  std::uint64_t buffer_bytes() const { return get(SO_SNDBUF) / 2; }
  bool is_locked() const { return (get(SO_BUF_LOCK) & kSendBufferLock) != 0; }

  static std::optional<TcpPath> path(int) {
    ++looks_;
    return path_;
  }
  std::unique_ptr<server::SendWindow> make_window() {
    return std::make_unique<server::SendWindow>(client_->fd(), fake_clock_, budget_, path);
  }

  static inline std::optional<TcpPath> path_;
  static inline int looks_ = 0;
  // Plays waits for room in a socket whose bytes have all arrived.
  void wait(server::SendWindow& window, int times, milliseconds each) {
    for (int i = 0; i < times; ++i) {
      window.on_full(512 << 10);
      fake_clock_.advance(each);
      window.on_room();
    }
  }

  FakeClock fake_clock_;
  std::unique_ptr<Client> client_;
  policy::SendBudget budget_{policy::kMostSendBufferBytes};
};

TEST_F(SendWindowTest, ANearClientKeepsItsBufferAndIsLookedAtOnce) {
  path_ = TcpPath{microseconds(40), 100 * kMiB};
  const auto window = make_window();
  window->on_full(512 << 10);
  window->on_full(100 * kMiB);
  EXPECT_EQ(looks_, 1);
  EXPECT_EQ(buffer_bytes(), server::largest_send_buffer(policy::kNearSendBufferBytes));
  EXPECT_TRUE(is_locked());
}

TEST_F(SendWindowTest, ASocketWithoutAPathKeepsItsBuffer) {
  path_.reset();
  make_window()->on_full(512 << 10);
  EXPECT_TRUE(is_locked());
}

TEST_F(SendWindowTest, TheKernelGrowsTheBufferOfAFarClient) {
  make_window()->on_full(512 << 10);
  EXPECT_FALSE(is_locked());
  EXPECT_EQ(budget_.left_bytes(), policy::kSendBudgetBytes);
}

TEST_F(SendWindowTest, ABufferBeyondTheKernelsGrowthComesFromTheBudget) {
  const auto window = make_window();
  path_->window_bytes = 3 * kMiB;
  window->on_full(512 << 10);
  EXPECT_EQ(budget_.left_bytes(), policy::kSendBudgetBytes - 3 * kMiB);
  EXPECT_EQ(buffer_bytes(), std::min(3 * kMiB, server::largest_send_buffer(3 * kMiB)));
}

TEST_F(SendWindowTest, TheBufferIsLookedAtAfterAQuarterOfIt) {
  const auto window = make_window();
  path_->window_bytes = 4 * kMiB;
  window->on_full(kMiB);
  window->on_full(2 * kMiB - 1);
  EXPECT_EQ(looks_, 1);
  window->on_full(2 * kMiB);
  EXPECT_EQ(looks_, 2);
}

TEST_F(SendWindowTest, TheBufferGoesBackAtTheEndOfTheAnswer) {
  path_->window_bytes = 4 * kMiB;
  make_window()->on_full(kMiB);
  EXPECT_EQ(budget_.left_bytes(), policy::kSendBudgetBytes);
  EXPECT_LE(buffer_bytes(), policy::kKernelSendBufferBytes);
  EXPECT_FALSE(is_locked());
}

TEST_F(SendWindowTest, TheKernelGrowsTheBufferOfANearClientWhileThisProcessIsLate) {
  path_ = TcpPath{microseconds(40), 14'600};
  auto window = make_window();
  wait(*window, 100, milliseconds(0));
  EXPECT_TRUE(is_locked());
  wait(*window, 4, milliseconds(3));
  EXPECT_FALSE(is_locked());
  window.reset();
  EXPECT_EQ(buffer_bytes(), server::largest_send_buffer(policy::kNearSendBufferBytes));
  EXPECT_TRUE(is_locked());
}

TEST_F(SendWindowTest, AClientThatReadsSlowlyKeepsItsBuffer) {
  path_ = TcpPath{microseconds(40), 14'600};
  // The socket pair's server reads no more than one head, so these bytes stay unread.
  const std::string bytes(8 << 20, 'x');
  while (::send(client_->fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0) {
  }
  const auto window = make_window();
  wait(*window, 100, milliseconds(3));
  EXPECT_TRUE(is_locked());
}

TEST_F(SendWindowTest, LoopbackIsNear) {
  client_->get("/");
  answer_of(*client_);
  const auto found = server::tcp_path(client_->fd());
  ASSERT_TRUE(found);
  EXPECT_GT(found->window_bytes, 0u);
  EXPECT_LT(found->least_round_trip, milliseconds(100));
}

TEST_F(SendWindowTest, AUnixSocketHasNoPath) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
  const UniqueFd one(ends[0]);
  const UniqueFd other(ends[1]);
  EXPECT_FALSE(server::tcp_path(one.get()));
}

}  // namespace
}  // namespace layby::testing
