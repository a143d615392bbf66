// SPDX-License-Identifier: Apache-2.0
//
// How a table fits on its screen.

#include "cli/table.h"

#include <gtest/gtest.h>

namespace layby::cli {
namespace {

class TableTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {}

  static std::string drawn(bool is_terminal, int columns) {
    return table({{.heading = "NAME", .least = 9},
                  {.heading = "SIZE", .is_number = true},
                  {.heading = "AGE", .is_number = true, .is_optional = true},
                  {.heading = "NOTE"}},
                 {{"abcdefghijklmno", "1 B", "3 h", "x"}, {"b", "20 B", "2 d", ""}},
                 {is_terminal, columns});
  }
};

TEST_F(TableTest, ColumnsAreAlignedWithoutTrailingSpaces) {
  EXPECT_EQ(drawn(false, 10),
            "NAME             SIZE  AGE  NOTE\n"
            "abcdefghijklmno   1 B  3 h  x\n"
            "b                20 B  2 d\n");
}

TEST_F(TableTest, ATerminalGetsItsHeadingInBold) {
  EXPECT_TRUE(drawn(true, 80).starts_with("\x1b[1mNAME             SIZE  AGE  NOTE\x1b[0m\n"));
}

TEST_F(TableTest, LongCellsLoseTheirMiddleOnANarrowTerminal) {
  EXPECT_EQ(drawn(true, 28),
            "\x1b[1mNAME         SIZE  AGE  NOTE\x1b[0m\n"
            "abcd...lmno   1 B  3 h  x\n"
            "b            20 B  2 d\n");
}

TEST_F(TableTest, OptionalColumnsGoWhenCuttingIsNotEnough) {
  EXPECT_EQ(drawn(true, 25),
            "\x1b[1mNAME           SIZE  NOTE\x1b[0m\n"
            "abcde...klmno   1 B  x\n"
            "b              20 B\n");
}

TEST_F(TableTest, RequiredColumnsStayOnTheNarrowestTerminal) {
  EXPECT_EQ(drawn(true, 1),
            "\x1b[1mNAME       SIZE  NOTE\x1b[0m\n"
            "abc...mno   1 B  x\n"
            "b          20 B\n");
}

}  // namespace
}  // namespace layby::cli
