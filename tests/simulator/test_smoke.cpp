// SPDX-License-Identifier: Apache-2.0
//
// Checks that the simulator is credible: on short traces each policy obeys the rules of any
// cache, small cases match a count by hand, and production's policy has the results that led to
// its choice.

#include <gtest/gtest.h>

#include <map>

#include "simulator/contestants.h"

namespace layby::simulator {
namespace {

constexpr std::uint64_t kPercents[] = {5, 25};

class SimulatorTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    for (const std::string& name : trace_names()) {
      traces_.emplace(name, make_trace(name, Length::kShort, 7));
    }
  }
  void SetUp() override {}
  void TearDown() override {}

  static std::uint64_t capacity(const Trace& trace, std::uint64_t percent) {
    return trace.unique_bytes() / 100 * percent;
  }
  static Result run(const std::string& policy, const Trace& trace, std::uint64_t capacity_bytes) {
    for (const Contestant& contestant : contestants()) {
      if (contestant.name == policy) return contestant.run(trace, capacity_bytes);
    }
    ADD_FAILURE() << "no policy " << policy;
    return {};
  }

  static std::map<std::string, Trace> traces_;
};

std::map<std::string, Trace> SimulatorTest::traces_;

// A trace of GETs of `objects`, in this order. sizes_bytes[i] is the size of object i.
Trace gets(std::vector<std::uint64_t> sizes_bytes, const std::vector<Object>& objects) {
  Trace trace{"by hand", std::move(sizes_bytes), {}};
  for (Object object : objects) trace.requests.push_back({Request::Kind::kGet, object});
  return trace;
}

TEST_F(SimulatorTest, TheSameSeedGivesTheSameResult) {
  for (const std::string& name : trace_names()) {
    const Trace again = make_trace(name, Length::kShort, 7);
    const std::uint64_t bytes = capacity(again, 10);
    ASSERT_EQ(again.sizes_bytes, traces_[name].sizes_bytes) << name;
    EXPECT_EQ(run("Layby", again, bytes), run("Layby", traces_[name], bytes)) << name;
  }
}

TEST_F(SimulatorTest, AnotherSeedGivesAnotherTrace) {
  EXPECT_NE(make_trace("zipf", Length::kShort, 8).sizes_bytes, traces_["zipf"].sizes_bytes);
}

TEST_F(SimulatorTest, NoPolicyExceedsTheCapacityOrIsIdle) {
  for (const auto& [name, trace] : traces_) {
    for (const std::uint64_t percent : kPercents) {
      for (const Contestant& policy : contestants()) {
        const Result result = policy.run(trace, capacity(trace, percent));
        EXPECT_LE(result.most_cached_bytes, capacity(trace, percent)) << name << policy.name;
        EXPECT_GT(result.most_cached_bytes, capacity(trace, percent) / 2) << name << policy.name;
        EXPECT_GT(result.evictions, 0u) << name << policy.name;
      }
    }
  }
}

TEST_F(SimulatorTest, NoPolicyExceedsTheBound) {
  for (const auto& [name, trace] : traces_) {
    for (const std::uint64_t percent : kPercents) {
      const Bound bound = upper_bound(trace, capacity(trace, percent));
      for (const Contestant& policy : contestants()) {
        const Result result = policy.run(trace, capacity(trace, percent));
        EXPECT_LE(result.byte_hit_ratio(), bound.byte_hit_ratio + 1e-9) << name << policy.name;
        EXPECT_LE(result.object_hit_ratio(), bound.object_hit_ratio + 1e-9) << name << policy.name;
      }
    }
  }
}

TEST_F(SimulatorTest, TheClairvoyantServesTheMostBytes) {
  for (const auto& [name, trace] : traces_) {
    const double best = run("clairvoyant", trace, capacity(trace, 10)).byte_hit_ratio();
    for (const Contestant& policy : contestants()) {
      EXPECT_LE(policy.run(trace, capacity(trace, 10)).byte_hit_ratio(), best)
          << name << policy.name;
    }
  }
}

TEST_F(SimulatorTest, ACacheThatHoldsEverythingMissesEachObjectOnce) {
  for (const auto& [name, trace] : traces_) {
    const std::uint64_t unique_bytes = trace.unique_bytes();
    const Bound bound = upper_bound(trace, unique_bytes);
    for (const Contestant& policy : contestants()) {
      const Result result = policy.run(trace, unique_bytes);
      EXPECT_EQ(result.asked_bytes - result.hit_bytes, unique_bytes) << name << policy.name;
      EXPECT_EQ(result.evictions, 0u) << name << policy.name;
      EXPECT_NEAR(result.byte_hit_ratio(), bound.byte_hit_ratio, 1e-9) << name << policy.name;
    }
  }
}

TEST_F(SimulatorTest, LruIsBeatenOnAScan) {
  const Trace& trace = traces_["scan"];
  for (const std::uint64_t percent : kPercents) {
    const double lru = run("LRU", trace, capacity(trace, percent)).byte_hit_ratio();
    for (const char* policy : {"S3-FIFO", "LFU with ageing", "Layby"}) {
      EXPECT_GT(run(policy, trace, capacity(trace, percent)).byte_hit_ratio(), lru) << policy;
    }
    EXPECT_GT(run("GDSF", trace, capacity(trace, percent)).object_hit_ratio(),
              run("LRU", trace, capacity(trace, percent)).object_hit_ratio());
  }
}

TEST_F(SimulatorTest, LaybySavesMoreRequestsThanLruWhereImagesStay) {
  for (const auto& [name, trace] : traces_) {
    if (name == "rebuilds") continue;
    const std::uint64_t bytes = capacity(trace, 10);
    const Result layby = run("Layby", trace, bytes);
    const Result lru = run("LRU", trace, bytes);
    EXPECT_GT(layby.object_hit_ratio(), lru.object_hit_ratio() + 0.02) << name;
    EXPECT_GT(layby.byte_hit_ratio(), lru.byte_hit_ratio()) << name;
  }
}

TEST_F(SimulatorTest, LruKeepsTheObjectsUsedLast) {
  // Two of the three objects fit. After the GETs of 0, 1, 0 and 2, the cache holds 0 and 2. So the
  // next GET, of 0, is a hit, and the GET of 1 is a miss.
  const Trace trace = gets({10, 10, 10}, {0, 1, 0, 2, 0, 1});
  EXPECT_EQ(run("LRU", trace, 20).hits, 2u);
}

TEST_F(SimulatorTest, TheClairvoyantDoesNotStoreAnObjectUsedOnce) {
  // Object 2 is requested once, so objects 0 and 1 stay.
  const Trace trace = gets({10, 10, 10}, {0, 1, 2, 0, 1});
  EXPECT_EQ(run("clairvoyant", trace, 20).hits, 2u);
  EXPECT_EQ(run("LRU", trace, 20).hits, 0u);
}

TEST_F(SimulatorTest, TheBoundMatchesACountByHand) {
  // The two hits on object 0 cost 2 and 1 requests times 10 bytes; the hit on object 1 costs 3
  // requests times 10 bytes. A cache of 10 bytes has a budget of 5 requests times 10 bytes, which
  // buys both hits on object 0 and two thirds of the hit on object 1.
  const Trace trace = gets({10, 10}, {0, 1, 0, 0, 1});
  EXPECT_NEAR(upper_bound(trace, 10).byte_hit_ratio, (2 + 2.0 / 3) / 5, 1e-9);
  EXPECT_NEAR(upper_bound(trace, 10).object_hit_ratio, (2 + 2.0 / 3) / 5, 1e-9);
}

TEST_F(SimulatorTest, TheBoundLeavesOutObjectsThatNeverFit) {
  EXPECT_EQ(upper_bound(gets({10}, {0, 0}), 9).byte_hit_ratio, 0);
}

TEST_F(SimulatorTest, AManifestCountsAsAUseOfItsCachedBlobs) {
  // A manifest names object 0 before object 2 comes, so object 1 is evicted.
  Trace trace = gets({10, 10, 10}, {0, 1, 2, 0});
  trace.requests.insert(trace.requests.begin() + 2, {Request::Kind::kTouch, 0});
  const auto lru = make_lru();
  EXPECT_EQ(simulate(trace, 20, *lru, Uses::kGetsAndManifests).hits, 1u);
  const auto deaf = make_lru();
  EXPECT_EQ(simulate(trace, 20, *deaf, Uses::kGets).hits, 0u);
}

TEST_F(SimulatorTest, ATouchIsNotCountedAsARequest) {
  Trace trace = gets({10}, {0, 0});
  trace.requests.push_back({Request::Kind::kTouch, 0});
  EXPECT_EQ(run("LRU", trace, 10).gets, 2u);
}

TEST_F(SimulatorTest, AnObjectLargerThanTheCacheDoesNotEmptyIt) {
  const Trace trace = gets({10, 100}, {0, 1, 0});
  for (const Contestant& policy : contestants()) {
    EXPECT_EQ(policy.run(trace, 20).hits, 1u) << policy.name;
  }
}

}  // namespace
}  // namespace layby::simulator
