// SPDX-License-Identifier: Apache-2.0
//
// The text that replaces lines on a terminal.

#include "cli/live_lines.h"

#include <gtest/gtest.h>

namespace layby::cli {
namespace {

class LiveLinesTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {}

  LiveLines lines_;
};

TEST_F(LiveLinesTest, FirstLinesStartAtTheCursor) {
  EXPECT_EQ(lines_.draw({"a", "b"}, 80), "\ra\x1b[K\nb\x1b[K\n\x1b[J");
}

TEST_F(LiveLinesTest, NextLinesReplaceTheLinesBefore) {
  lines_.draw({"a", "b"}, 80);
  EXPECT_EQ(lines_.draw({"c"}, 80), "\r\x1b[2Ac\x1b[K\n\x1b[J");
  EXPECT_EQ(lines_.draw({"d", "e", "f"}, 80), "\r\x1b[1Ad\x1b[K\ne\x1b[K\nf\x1b[K\n\x1b[J");
}

TEST_F(LiveLinesTest, ClearRemovesAllLines) {
  lines_.draw({"a", "b"}, 80);
  EXPECT_EQ(lines_.clear(80), "\r\x1b[2A\x1b[J");
  EXPECT_EQ(lines_.clear(80), "\r\x1b[J");
}

TEST_F(LiveLinesTest, LinesWrappedByANarrowerTerminalAreAllCleared) {
  lines_.draw({"0123456789", "", "01234"}, 80);
  EXPECT_EQ(lines_.clear(5), "\r\x1b[4A\x1b[J");
}

}  // namespace
}  // namespace layby::cli
