// SPDX-License-Identifier: Apache-2.0
//
// The loop on a real epoll. Every test ends by stop(); the test runner has the timeout.

#include "layby/event/loop.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "layby/base/fd.h"

namespace layby::event {
namespace {

using std::chrono::milliseconds;

class LoopTest : public ::testing::Test {
 protected:
  // Runs the calls that have been posted, then stops the loop.
  void run_posted() {
    loop_->post([this] { loop_->stop(); });
    loop_->run();
  }
  void run_for(milliseconds time) {
    const auto timer = loop_->after(time, [this] { loop_->stop(); });
    loop_->run();
  }

  std::unique_ptr<Loop> loop_ = *Loop::create();
};

TEST_F(LoopTest, PostsRunInOrder) {
  std::vector<int> order;
  for (int i = 0; i < 5; ++i) loop_->post([&order, i] { order.push_back(i); });
  run_posted();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST_F(LoopTest, APostDoesNotRunInsideTheCallThatMakesIt) {
  bool ran = false;
  loop_->post([&] {
    loop_->defer([&] {
      ran = true;
      loop_->stop();
    });
    EXPECT_FALSE(ran);
  });
  loop_->run();
  EXPECT_TRUE(ran);
}

TEST_F(LoopTest, PostsKeepTheOrderOfEachThread) {
  constexpr int kThreads = 4;
  constexpr int kPosts = 500;
  std::vector<std::vector<int>> seen(kThreads);
  int total = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kPosts; ++i) {
        loop_->post([&, t, i] {
          seen[static_cast<std::size_t>(t)].push_back(i);
          if (++total == kThreads * kPosts) loop_->stop();
        });
      }
    });
  }
  loop_->run();
  for (auto& thread : threads) thread.join();
  for (const auto& one : seen) {
    ASSERT_EQ(one.size(), static_cast<std::size_t>(kPosts));
    EXPECT_TRUE(std::is_sorted(one.begin(), one.end()));
  }
}

TEST_F(LoopTest, APendingPostIsDestroyedWithTheLoop) {
  auto token = std::make_shared<int>(0);
  loop_->post([token] { ++*token; });
  loop_.reset();
  EXPECT_EQ(token.use_count(), 1);
  EXPECT_EQ(*token, 0);
}

TEST_F(LoopTest, ACallIsDestroyedOnceItHasRun) {
  auto token = std::make_shared<int>(0);
  long uses = 0;
  loop_->post([token] {});
  loop_->post([&] { uses = token.use_count(); });
  run_posted();
  EXPECT_EQ(uses, 1);
}

TEST_F(LoopTest, EachTimerRunsOnceWhenItIsDue) {
  std::vector<int> order;
  const auto late = loop_->after(milliseconds(15), [&] { order.push_back(2); });
  const auto early = loop_->after(milliseconds(1), [&] { order.push_back(1); });
  run_for(milliseconds(40));
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST_F(LoopTest, ADestroyedTimerDoesNotRun) {
  bool ran = false;
  auto timer = loop_->after(milliseconds(1), [&] { ran = true; });
  timer.reset();
  run_for(milliseconds(10));
  EXPECT_FALSE(ran);
}

TEST_F(LoopTest, ATimerMayBeDestroyedInItsCallback) {
  Handle timer;
  int runs = 0;
  timer = loop_->after(milliseconds(1), [&] {
    timer.reset();
    ++runs;
    loop_->stop();
  });
  loop_->run();
  EXPECT_EQ(runs, 1);
}

TEST_F(LoopTest, ArmingAgainReplacesTheDeadline) {
  int runs = 0;
  const auto alarm = loop_->alarm([&] { ++runs; });
  alarm->arm(milliseconds(1));
  alarm->arm(milliseconds(60'000));
  run_for(milliseconds(15));
  EXPECT_EQ(runs, 0);
  alarm->arm(milliseconds(1));
  run_for(milliseconds(15));
  EXPECT_EQ(runs, 1);
}

TEST_F(LoopTest, ADisarmedAlarmIsSilentUntilItIsArmedAgain) {
  int runs = 0;
  const auto alarm = loop_->alarm([&] { ++runs; });
  alarm->arm(milliseconds(1));
  alarm->disarm();
  run_for(milliseconds(10));
  EXPECT_EQ(runs, 0);
  alarm->arm(milliseconds(0));
  run_for(milliseconds(10));
  EXPECT_EQ(runs, 1);
}

TEST_F(LoopTest, AnAlarmMayBeDestroyedOrArmedInItsCallback) {
  int runs = 0;
  std::unique_ptr<Alarm> alarm;
  alarm = loop_->alarm([&] {
    if (++runs < 3) return alarm->arm(milliseconds(0));
    alarm.reset();
    loop_->stop();
  });
  alarm->arm(milliseconds(0));
  loop_->run();
  EXPECT_EQ(runs, 3);
}

// Counts its calls; `on_ready` may destroy the watch.
struct CountingHandler final : IoHandler {
  void on_io(bool readable, bool writable) override {
    reads += readable ? 1 : 0;
    writes += writable ? 1 : 0;
    if (on_ready) on_ready();
  }
  int reads = 0;
  int writes = 0;
  std::function<void()> on_ready;
};

class LoopIoTest : public LoopTest {
 protected:
  void SetUp() override {
    int pair[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    near_.reset(pair[0]);
    far_.reset(pair[1]);
    watch_ = loop_->watch(near_.get(), handler_);
  }

  UniqueFd near_;
  UniqueFd far_;
  CountingHandler handler_;
  std::unique_ptr<IoWatch> watch_;
};

TEST_F(LoopIoTest, UnwantedEventsAreNotReported) {
  ASSERT_EQ(::write(far_.get(), "x", 1), 1);
  run_for(milliseconds(5));
  EXPECT_EQ(handler_.reads + handler_.writes, 0);
}

TEST_F(LoopIoTest, ReadinessIsReportedAgainWhileBytesWait) {
  ASSERT_EQ(::write(far_.get(), "x", 1), 1);
  handler_.on_ready = [&] {
    if (handler_.reads == 3) loop_->stop();
  };
  watch_->want(true, false);
  loop_->run();
  EXPECT_EQ(handler_.reads, 3);
  EXPECT_EQ(handler_.writes, 0);
}

TEST_F(LoopIoTest, WritableIsReportedWhileItIsWanted) {
  handler_.on_ready = [&] { watch_->want(false, false); };
  watch_->want(false, true);
  run_for(milliseconds(5));
  EXPECT_EQ(handler_.writes, 1);
}

TEST_F(LoopIoTest, AWatchMayBeDestroyedInItsCallback) {
  ASSERT_EQ(::write(far_.get(), "x", 1), 1);
  handler_.on_ready = [&] {
    watch_.reset();
    loop_->defer([this] { loop_->stop(); });
  };
  watch_->want(true, true);
  loop_->run();
  EXPECT_EQ(handler_.reads + handler_.writes, 1);
}

TEST_F(LoopIoTest, ADestroyedWatchIsSilent) {
  watch_->want(true, true);
  watch_.reset();
  run_for(milliseconds(5));
  EXPECT_EQ(handler_.reads + handler_.writes, 0);
}

TEST_F(LoopTest, SignalsArriveOnTheLoop) {
  int signals = 0;
  auto watch = loop_->on_signal(SIGUSR1, [&] {
    if (++signals == 2) return loop_->stop();
    ::raise(SIGUSR1);
  });
  ::raise(SIGUSR1);
  loop_->run();
  EXPECT_EQ(signals, 2);
}

TEST_F(LoopTest, ASignalWatchMayBeDestroyedInItsCallback) {
  Handle watch;
  watch = loop_->on_signal(SIGUSR1, [&] {
    watch.reset();
    loop_->stop();
  });
  ::raise(SIGUSR1);
  loop_->run();
  EXPECT_EQ(watch, nullptr);
}

}  // namespace
}  // namespace layby::event
