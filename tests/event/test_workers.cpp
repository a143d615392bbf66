// SPDX-License-Identifier: Apache-2.0
//
// Lanes and workers with real threads. Latches fix the order of events. A latch outlives the
// workers, because their threads may still be leaving the latch.

#include "layby/event/workers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <latch>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace layby::event {
namespace {

TEST(Workers, ALaneRunsItsWorkInOrderOneAtATime) {
  std::vector<int> order;  // Without a lock, so that TSan reports parallel work.
  {
    Workers workers(4);
    Lane lane = workers.make_lane();
    for (int i = 0; i < 1000; ++i) lane.submit([&order, i] { order.push_back(i); });
  }
  ASSERT_EQ(order.size(), 1000u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(Workers, LanesRunInParallel) {
  std::latch both(2);
  std::latch done(2);
  Workers workers(2);
  Lane one = workers.make_lane();
  Lane other = workers.make_lane();
  for (Lane* lane : {&one, &other}) {
    lane->submit([&] {
      both.arrive_and_wait();  // Each lane waits for the other lane.
      done.count_down();
    });
  }
  done.wait();
}

TEST(Workers, ABusyLaneOccupiesOnlyOneThread) {
  std::latch other_ran(1);
  std::latch end(1);
  Workers workers(2);
  Lane busy = workers.make_lane();
  busy.submit([&] { other_ran.wait(); });
  busy.submit([&] { end.count_down(); });
  workers.submit([&] { other_ran.count_down(); });
  end.wait();
}

TEST(Workers, ALaneTakesTurnsWithOtherWorkOnOneThread) {
  std::vector<char> order;
  std::latch queued(1);
  {
    Workers workers(1);
    Lane lane = workers.make_lane();
    workers.submit([&] { queued.wait(); });
    for (int i = 0; i < 3; ++i) lane.submit([&] { order.push_back('l'); });
    workers.submit([&] { order.push_back('w'); });
    queued.count_down();
  }
  EXPECT_EQ(order, (std::vector<char>{'l', 'w', 'l', 'l'}));
}

// The long work has more pieces than there are threads, and no piece ends before the short work.
TEST(Workers, LongWorkThatBlocksDoesNotDelayShortWork) {
  for (const int threads : {1, 2, 3, 4}) {
    std::latch end_of_long(1);
    std::latch done(2);
    Workers workers(threads);
    Lane long_lane = workers.make_long_lane();
    Lane lane = workers.make_lane();
    for (int i = 0; i < 2 * threads; ++i) workers.submit_long([&] { end_of_long.wait(); });
    long_lane.submit([&] { end_of_long.wait(); });
    workers.submit([&] { done.count_down(); });
    lane.submit([&] { done.count_down(); });
    done.wait();
    end_of_long.count_down();
  }
}

TEST(Workers, HalfOfTheThreadsRunLongWorkInParallel) {
  std::latch both(2);
  Workers workers(4);
  for (int i = 0; i < 2; ++i) workers.submit_long([&] { both.arrive_and_wait(); });
  both.wait();
}

TEST(Workers, ShortWorkRunsOnAllThreads) {
  for (const int threads : {1, 2, 3, 4}) {
    std::latch all(threads);
    Workers workers(threads);
    for (int i = 0; i < threads; ++i) workers.submit([&] { all.arrive_and_wait(); });
    all.wait();
  }
}

// Each piece of short work submits the next piece, so short work waits at all times until the
// long work has run.
TEST(Workers, ShortWorkDoesNotStarveLongWork) {
  for (const int threads : {1, 2, 4}) {
    std::latch long_ran(1);
    std::atomic<bool> over = false;
    std::function<void()> again;  // Outlives the workers, which copy it.
    Workers workers(threads);
    again = [&] {
      if (!over) workers.submit(again);
    };
    for (int i = 0; i < 2 * threads; ++i) workers.submit(again);
    workers.submit_long([&] {
      over = true;
      long_ran.count_down();
    });
    long_ran.wait();
  }
}

TEST(Workers, ALongLaneRunsItsWorkInOrderOneAtATime) {
  std::vector<int> order;  // Without a lock, so that TSan reports parallel work.
  {
    Workers workers(4);
    Lane lane = workers.make_long_lane();
    for (int i = 0; i < 1000; ++i) {
      lane.submit([&order, i] { order.push_back(i); });
      workers.submit([] {});
    }
  }
  ASSERT_EQ(order.size(), 1000u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(Workers, WorkOfBothKindsThatIsQueuedRunsBeforeTheWorkersEnd) {
  std::atomic<int> runs = 0;
  for (const int threads : {1, 2, 3}) {
    Workers workers(threads);
    for (int i = 0; i < 100; ++i) {
      workers.submit_long([&] {
        workers.submit([&] { ++runs; });
        ++runs;
      });
      workers.submit([&] {
        workers.submit_long([&] { ++runs; });
        ++runs;
      });
    }
  }
  EXPECT_EQ(runs, 3 * 400);
}

TEST(Workers, QueuedWorkRunsAfterItsLaneIsDestroyed) {
  std::atomic<int> runs = 0;
  std::latch go(1);
  {
    Workers workers(2);
    std::optional<Lane> lane = workers.make_lane();
    lane->submit([&] { go.wait(); });
    for (int i = 0; i < 10; ++i) lane->submit([&] { ++runs; });
    lane.reset();
    go.count_down();
  }
  EXPECT_EQ(runs, 10);
}

TEST(Workers, ALaneMayBeDestroyedByItsOwnWork) {
  bool ran = false;
  {
    Workers workers(2);
    auto lane = std::make_shared<Lane>(workers.make_lane());
    lane->submit([lane, &ran] { ran = true; });
    lane.reset();
  }
  EXPECT_TRUE(ran);
}

TEST(Workers, WorkMaySubmitToItsOwnLaneWhileTheWorkersEnd) {
  int runs = 0;
  {
    Workers workers(2);
    auto lane = std::make_shared<Lane>(workers.make_lane());
    lane->submit([lane, &runs] {
      lane->submit([&runs] { ++runs; });
      ++runs;
    });
  }
  EXPECT_EQ(runs, 2);
}

TEST(Workers, WorkIsDestroyedOnceItHasRun) {
  auto token = std::make_shared<int>(0);
  const std::weak_ptr<int> weak = token;
  std::latch done(1);
  bool expired = false;
  Workers workers(1);
  Lane lane = workers.make_lane();
  lane.submit([token = std::move(token)] {});
  lane.submit([&] {
    expired = weak.expired();
    done.count_down();
  });
  done.wait();
  EXPECT_TRUE(expired);
}

TEST(Workers, ManyThreadsMaySubmitToOneLane) {
  int sum = 0;  // Without a lock, so that TSan reports parallel work.
  {
    Workers workers(3);
    Lane lane = workers.make_lane();
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 250; ++i) lane.submit([&] { ++sum; });
      });
    }
    for (auto& thread : threads) thread.join();
  }
  EXPECT_EQ(sum, 1000);
}

}  // namespace
}  // namespace layby::event
