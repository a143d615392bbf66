// SPDX-License-Identifier: Apache-2.0
//
// The list of counters. /metrics, /stats and the docs are generated from the list, so the
// tests check the form of its names and texts.

#include "layby/base/counters.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace layby {
namespace {

class CountersTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {}

  Counters counters_;
};

TEST_F(CountersTest, StartAtZero) {
  std::uint64_t sum = 0;
  for_each_counter(
      counters_, [&](const char*, const char*, const char*, std::uint64_t value) { sum += value; });
  EXPECT_EQ(sum, 0U);
}

TEST_F(CountersTest, CountAddsOneByDefault) {
  count(counters_.requests);
  EXPECT_EQ(counters_.requests.load(), 1U);
}

TEST_F(CountersTest, CountAddsTheGivenAmount) {
  count(counters_.client_bytes_sent, 4096);
  EXPECT_EQ(counters_.client_bytes_sent.load(), 4096U);
}

TEST_F(CountersTest, VisitShowsTheValueUnderItsName) {
  counters_.blob_hits = 7;
  std::uint64_t seen = 0;
  for_each_counter(counters_, [&](std::string_view name, auto, auto, std::uint64_t value) {
    if (name == "blob_hits") seen = value;
  });
  EXPECT_EQ(seen, 7U);
}

TEST_F(CountersTest, NamesAreUnique) {
  std::set<std::string> names;
  std::size_t visits = 0;
  for_each_counter(counters_, [&](const char* name, auto, auto, auto) {
    names.insert(name);
    ++visits;
  });
  EXPECT_EQ(names.size(), visits);
}

TEST_F(CountersTest, EveryCounterHasAUnitAndASentence) {
  for_each_counter(counters_, [](auto name, std::string_view unit, std::string_view text, auto) {
    EXPECT_FALSE(unit.empty()) << name;
    EXPECT_TRUE(text.ends_with('.')) << name;
  });
}

}  // namespace
}  // namespace layby
