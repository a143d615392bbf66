// SPDX-License-Identifier: Apache-2.0
//
// The messages to the service manager. The test reads them from a datagram socket, as systemd does.

#include "app/service_manager.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <vector>

#include "support/fake_clock.h"
#include "support/fake_timers.h"
#include "support/temp_dir.h"

namespace layby::app {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Messages = std::vector<std::string>;

class ServiceManagerTest : public ::testing::Test {
 protected:
  void SetUp() override { listen(folder_.path() + "/notify"); }
  void TearDown() override {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) unsetenv(name);
  }

  // Listens on the socket `name`, which has the form of $NOTIFY_SOCKET.
  void listen(const std::string& name) {
    name_ = name;
    fd_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    name.copy(address.sun_path, sizeof address.sun_path - 1);
    if (name.front() == '@') address.sun_path[0] = '\0';
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    ASSERT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), length), 0);
  }

  Messages told() {
    Messages messages;
    std::array<char, 512> buffer{};
    for (;;) {
      const ssize_t size = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
      if (size < 0) return messages;
      messages.emplace_back(buffer.data(), static_cast<std::size_t>(size));
    }
  }

  ServiceManager::Request asked(std::optional<microseconds> watchdog = std::nullopt) {
    return {name_, watchdog};
  }

  testing::TempDir folder_;
  testing::FakeClock clock_;
  testing::FakeTimers timers_{clock_};
  std::string name_;
  UniqueFd fd_;
};

TEST_F(ServiceManagerTest, ReadyIsSentWithAStatus) {
  ServiceManager manager(asked(), timers_);
  EXPECT_EQ(told(), Messages{});
  manager.ready("Serving on [::]:5000");
  EXPECT_EQ(told(), Messages{"READY=1\nSTATUS=Serving on [::]:5000"});
}

TEST_F(ServiceManagerTest, AbstractSocketGetsMessages) {
  listen("@layby-test-" + std::to_string(::getpid()));
  ServiceManager manager(asked(), timers_);
  manager.ready("fine");
  EXPECT_EQ(told(), Messages{"READY=1\nSTATUS=fine"});
}

TEST_F(ServiceManagerTest, StoppingAsksForTheGraceAndSomeMore) {
  ServiceManager manager(asked(), timers_);
  manager.stopping(seconds(30));
  EXPECT_EQ(told(), Messages{"STOPPING=1\nEXTEND_TIMEOUT_USEC=40000000"});
}

TEST_F(ServiceManagerTest, SignsOfLifeComeEveryHalfWatchdogTime) {
  ServiceManager manager(asked(seconds(60)), timers_);
  timers_.advance(seconds(100));
  EXPECT_EQ(told(), Messages{});
  manager.ready("fine");
  EXPECT_EQ(told(), (Messages{"READY=1\nSTATUS=fine", "WATCHDOG=1"}));
  timers_.advance(seconds(29));
  EXPECT_EQ(told(), Messages{});
  timers_.advance(seconds(1));
  EXPECT_EQ(told(), Messages{"WATCHDOG=1"});
  timers_.advance(seconds(90));
  EXPECT_EQ(told().size(), 3u);
}

TEST_F(ServiceManagerTest, NoSignOfLifeWithoutAWatchdog) {
  ServiceManager manager(asked(), timers_);
  manager.ready("fine");
  EXPECT_EQ(timers_.waiting(), 0u);
}

TEST_F(ServiceManagerTest, NothingIsSentWithoutASocket) {
  ServiceManager manager({"", seconds(60)}, timers_);
  manager.ready("fine");
  manager.stopping(seconds(1));
  EXPECT_EQ(timers_.waiting(), 0u);
}

TEST_F(ServiceManagerTest, InvalidSocketNameIsIgnored) {
  for (const std::string& name : {std::string("vsock:2:1234"), "/" + std::string(200, 'x')}) {
    ServiceManager manager({name, seconds(60)}, timers_);
    manager.ready("fine");
    EXPECT_EQ(timers_.waiting(), 0u);
  }
}

TEST_F(ServiceManagerTest, MissingManagerDoesNoHarm) {
  ServiceManager manager(asked(seconds(60)), timers_);
  fd_.reset();
  manager.ready("fine");
  manager.stopping(seconds(1));
}

TEST_F(ServiceManagerTest, ReadyIsSentAgainAfterAFullQueue) {
  ServiceManager filler(asked(), timers_);
  constexpr int kMoreThanAQueue = 5000;  // A queue has 10 datagrams, or 512 under systemd.
  for (int i = 0; i < kMoreThanAQueue; ++i) filler.stopping(seconds(0));
  ServiceManager manager(asked(seconds(60)), timers_);
  manager.ready("fine");
  EXPECT_EQ(timers_.waiting(), 1u);
  EXPECT_EQ(told().back(), "STOPPING=1\nEXTEND_TIMEOUT_USEC=10000000");
  timers_.advance(seconds(1));
  EXPECT_EQ(told(), (Messages{"READY=1\nSTATUS=fine", "WATCHDOG=1"}));
}

TEST_F(ServiceManagerTest, RequestComesFromTheEnvironment) {
  EXPECT_EQ(ServiceManager::asked_for().socket, "");
  EXPECT_EQ(ServiceManager::asked_for().watchdog, std::nullopt);
  setenv("NOTIFY_SOCKET", "/run/systemd/notify", 1);
  setenv("WATCHDOG_USEC", "60000000", 1);
  setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
  EXPECT_EQ(ServiceManager::asked_for().socket, "/run/systemd/notify");
  EXPECT_EQ(ServiceManager::asked_for().watchdog, seconds(60));
}

TEST_F(ServiceManagerTest, WatchdogOfAnotherProcessIsIgnored) {
  setenv("WATCHDOG_USEC", "60000000", 1);
  setenv("WATCHDOG_PID", "1", 1);
  EXPECT_EQ(ServiceManager::asked_for().watchdog, std::nullopt);
}

TEST_F(ServiceManagerTest, InvalidWatchdogTimeIsIgnored) {
  for (const char* text : {"", "0", "soon", "-5", "99999999999999999999999"}) {
    setenv("WATCHDOG_USEC", text, 1);
    EXPECT_EQ(ServiceManager::asked_for().watchdog, std::nullopt) << text;
  }
}

}  // namespace
}  // namespace layby::app
