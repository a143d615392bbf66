// SPDX-License-Identifier: Apache-2.0
//
// The page of `layby events`.

#include "cli/event_list.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <string>

namespace layby::cli {
namespace {

class EventListTest : public ::testing::Test {
 protected:
  void SetUp() override {
    setenv("TZ", "UTC0", 1);
    tzset();
  }
  void TearDown() override {
    unsetenv("TZ");
    tzset();
  }

  // The page for a file, from an answer with the given members of "events".
  static std::string page(const std::string& events) {
    const auto page = event_list("{\"events\": [" + events + "]}", Screen{});
    return page.ok() ? *page : page.error().message;
  }
};

TEST_F(EventListTest, EachEventIsARow) {
  EXPECT_EQ(page(R"({"number": 7, "at_ms": 86400999, "kind": "tag.moved", "text": "a:1 moved"},
                    {"number": 8, "at_ms": 90061000, "kind": "blob.damaged", "text": "b"})"),
            "TIME                 KIND          TEXT\n"
            "1970-01-02 00:00:00  tag.moved     a:1 moved\n"
            "1970-01-02 01:01:01  blob.damaged  b\n");
}

TEST_F(EventListTest, NoEventsAreSaidToBeNone) {
  EXPECT_EQ(page(""), "No events are recorded yet.\n");
}

TEST_F(EventListTest, AMissingTimeLeavesAGap) {
  EXPECT_NE(page(R"({"kind": "k", "text": "t"})").find("\n-     k     t\n"), std::string::npos);
}

TEST_F(EventListTest, AnImpossibleTimeLeavesAGap) {
  EXPECT_NE(page(R"({"at_ms": 18446744073709551615, "kind": "k", "text": "t"})").find("k     t\n"),
            std::string::npos);
}

TEST_F(EventListTest, TextCantSteerTheTerminal) {
  EXPECT_EQ(page(R"({"at_ms": 0, "kind": "k", "text": "\u001b[2J"})").find('\x1b'),
            std::string::npos);
}

TEST_F(EventListTest, AnotherProgramsAnswerIsAnError) {
  EXPECT_FALSE(event_list("<html>", Screen{}).ok());
}

}  // namespace
}  // namespace layby::cli
