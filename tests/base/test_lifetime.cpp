// SPDX-License-Identifier: Apache-2.0

#include "layby/base/lifetime.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "support/fake_clock.h"
#include "support/fake_timers.h"

namespace layby {
namespace {

TEST(Lifetime, AGuardedCallRunsWhileTheObjectLives) {
  int sum = 0;
  std::optional<Lifetime> life(std::in_place);
  const std::function<void(int)> call = life->guard([&sum](int more) { sum += more; });

  call(1);
  EXPECT_EQ(sum, 1);

  life.reset();
  call(2);
  EXPECT_EQ(sum, 1);
}

TEST(Lifetime, AWatchSeesTheEnd) {
  std::optional<Lifetime> life(std::in_place);
  const Lifetime::Watch watch = life->watch();
  EXPECT_FALSE(watch.ended());

  life.reset();
  EXPECT_TRUE(watch.ended());
}

TEST(Droppable, TheAnswerComesOnce) {
  int sum = 0;
  const Droppable<int> receiver([&sum](int more) { sum += more; });
  const auto call = receiver.call();

  call(1);
  call(2);

  EXPECT_EQ(sum, 1);
}

TEST(Droppable, TheAnswerIsDroppedWithItsReceiver) {
  int sum = 0;
  auto receiver = std::make_unique<Droppable<int>>([&sum](int more) { sum += more; });
  const auto call = receiver->call();
  receiver.reset();

  call(1);

  EXPECT_EQ(sum, 0);
}

TEST(Droppable, ACallIsWantedUntilItRan) {
  const Droppable<> receiver([] {});
  const auto call = receiver.call();
  EXPECT_TRUE(call.is_wanted());

  call();

  EXPECT_FALSE(call.is_wanted());
}

TEST(Droppable, ACallIsNotWantedAfterItsReceiverLeft) {
  auto receiver = std::make_unique<Droppable<>>([] {});
  const auto call = receiver->call();

  receiver.reset();

  EXPECT_FALSE(call.is_wanted());
}

TEST(Droppable, TheReceiverMayLeaveInsideTheAnswer) {
  std::unique_ptr<Droppable<>> receiver;
  receiver = std::make_unique<Droppable<>>([&receiver] { receiver.reset(); });

  receiver->call()();

  EXPECT_EQ(receiver, nullptr);
}

TEST(Droppable, WorkForTheAnswerEndsWithTheReceiver) {
  struct Work final : Operation {
    explicit Work(bool& its_end) : ended(its_end) {}
    ~Work() override { ended = true; }
    bool& ended;
  };
  bool ended = false;
  auto receiver = std::make_unique<Droppable<>>([] {});
  receiver->own(std::make_unique<Work>(ended));
  EXPECT_FALSE(ended);

  receiver.reset();
  EXPECT_TRUE(ended);
}

class GraveyardTest : public ::testing::Test {
 protected:
  testing::FakeClock clock_;
  testing::FakeTimers timers_{clock_};
};

TEST_F(GraveyardTest, DestroysAtTheNextTurn) {
  Graveyard graveyard(timers_);
  auto object = std::make_shared<int>(1);
  const std::weak_ptr<int> seen = object;

  graveyard.bury(std::move(object));
  EXPECT_FALSE(seen.expired());

  timers_.run();
  EXPECT_TRUE(seen.expired());
}

TEST_F(GraveyardTest, DestroysWithItself) {
  auto object = std::make_shared<int>(1);
  const std::weak_ptr<int> seen = object;
  {
    Graveyard graveyard(timers_);
    graveyard.bury(std::move(object));
  }

  EXPECT_TRUE(seen.expired());
  timers_.run();
}

TEST_F(GraveyardTest, ADestructorMayBuryMore) {
  struct Parent {
    ~Parent() { graveyard.bury(std::move(child)); }
    Graveyard& graveyard;
    std::shared_ptr<int> child = std::make_shared<int>(1);
  };
  Graveyard graveyard(timers_);
  auto parent = std::shared_ptr<Parent>(new Parent{graveyard});
  const std::weak_ptr<int> child = parent->child;

  graveyard.bury(std::move(parent));
  timers_.turn();
  EXPECT_FALSE(child.expired());

  timers_.turn();
  EXPECT_TRUE(child.expired());
}

}  // namespace
}  // namespace layby
