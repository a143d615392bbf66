// SPDX-License-Identifier: Apache-2.0

#include "layby/events/events.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace layby::events {
namespace {

class EventsTest : public ::testing::Test {
 protected:
  Handle listen(const std::string& name) {
    return events_.listen([this, name](const Event&) { heard_.push_back(name); });
  }

  Events events_;
  std::vector<std::string> heard_;
};

TEST_F(EventsTest, TellsEveryListenerInTheOrderInWhichTheyBegan) {
  const Handle first = listen("first");
  const Handle second = listen("second");

  events_.tell(DiskFullChanged{true});

  EXPECT_EQ(heard_, (std::vector<std::string>{"first", "second"}));
}

TEST_F(EventsTest, TellsNothingAfterTheHandleIsDestroyed) {
  Handle first = listen("first");
  const Handle second = listen("second");
  first.reset();

  events_.tell(DiskFullChanged{true});

  EXPECT_EQ(heard_, (std::vector<std::string>{"second"}));
}

TEST_F(EventsTest, NeedsNoListener) {
  events_.tell(DiskFullChanged{true});

  EXPECT_TRUE(heard_.empty());
}

TEST_F(EventsTest, HandsOnTheEventItself) {
  std::uint64_t blobs = 0;
  const Handle listener =
      events_.listen([&](const Event& event) { blobs = std::get<Evicted>(event).blobs; });

  events_.tell(Evicted{3, 4'096, 1});

  EXPECT_EQ(blobs, 3u);
}

}  // namespace
}  // namespace layby::events
