// SPDX-License-Identifier: Apache-2.0
//
// Lanes and workers with real threads. Latches fix the order of events; they outlive the
// workers, whose threads may still be leaving a latch.

#include "layby/event/workers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <latch>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace layby::event {
namespace {

TEST(Workers, ALaneRunsItsWorkInOrderOneAtATime) {
  std::vector<int> order;  // Without a lock, so that TSan reports two at once.
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
      both.arrive_and_wait();  // Each waits for the other.
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
  int sum = 0;  // Without a lock, so that TSan reports two at once.
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
