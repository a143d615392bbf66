// SPDX-License-Identifier: Apache-2.0
//
// The simulation is deterministic, does what it should, and sees broken promises.

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "layby/base/log.h"
#include "simulation/site.h"
#include "simulation/transfer_watch.h"
#include "simulation/world.h"

namespace layby::simulation {
namespace {

constexpr std::uint64_t kSeeds = 5;

class SimulationTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    log::start("critical");
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) outcomes_.push_back(run_site(seed));
  }
  void SetUp() override {}
  void TearDown() override {}

  static std::vector<Outcome> outcomes_;
};

std::vector<Outcome> SimulationTest::outcomes_;

TEST_F(SimulationTest, TheSameSeedGivesTheSameTrace) {
  for (const Outcome& once : {outcomes_[2], outcomes_[3]}) {
    const Outcome again = run_site(once.seed);
    EXPECT_EQ(once.trace, again.trace) << once.seed;
    EXPECT_EQ(once.steps, again.steps) << once.seed;
    EXPECT_EQ(once.questions, again.questions) << once.seed;
  }
}

TEST_F(SimulationTest, DifferentSeedsGiveDifferentTraces) {
  std::set<std::uint64_t> traces;
  for (const Outcome& outcome : outcomes_) traces.insert(outcome.trace);
  EXPECT_EQ(traces.size(), kSeeds);
}

TEST_F(SimulationTest, EveryPromiseIsKept) {
  for (const Outcome& outcome : outcomes_) {
    EXPECT_FALSE(outcome.violation.has_value())
        << "seed " << outcome.seed << ": " << outcome.violation->promise << ": "
        << outcome.violation->what;
  }
}

TEST_F(SimulationTest, MostPullsSucceed) {
  std::uint64_t pulls = 0;
  std::uint64_t pulled = 0;
  for (const Outcome& outcome : outcomes_) {
    pulls += outcome.pulls;
    pulled += outcome.pulled;
  }
  EXPECT_GT(pulls, 50u);
  EXPECT_GT(pulled, pulls / 2);
  EXPECT_LT(pulled, pulls);
}

// Tests the Invariants alone. The test reports what actors would report.
class InvariantsTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {}

  void pass(milliseconds time) {
    world_.rest_until(world_.steady_now() + time);
    invariants_.check();
  }
  std::uint64_t ask(bool held_back = false) {
    return invariants_.asked({0, "a blob", digest_, {}, kBlobOver, seconds(10), held_back});
  }
  void fail(std::uint64_t question) {
    invariants_.answered(question, Error{ErrorCode::kCorrupt, "wrong bytes"}, true);
  }
  std::string broken() const {
    return invariants_.violation() ? invariants_.violation()->promise : "";
  }
  Result<cache::ManifestAnswer> answer(cache::ManifestSource source) const {
    return cache::ManifestAnswer{*content_.find_tag(name_), "", 0, nullptr, source, seconds(0)};
  }

  World world_;
  simulator::Random random_{1};
  Content content_{random_};
  Adversary adversary_{1, 0, world_.steady_now(), world_.steady_now()};
  Invariants invariants_{world_, adversary_, content_, {std::nullopt}};
  const ImageName name_ = content_.names().front();
  const oci::Digest digest_ = content_.loose().front();
};

TEST_F(InvariantsTest, AnAnswerInTimeKeepsThePromise) {
  const auto question = ask();
  pass(seconds(10));
  invariants_.answered(question, {}, true);
  EXPECT_EQ(broken(), "");
}

TEST_F(InvariantsTest, ALongFairWaitIsSeen) {
  const auto question = ask();
  pass(seconds(11));
  invariants_.answered(question, {}, true);
  EXPECT_EQ(broken(), "a fair wait is bounded");
}

TEST_F(InvariantsTest, AQuestionWithoutAnAnswerIsSeen) {
  ask();
  pass(kBlobOver);
  EXPECT_EQ(broken(), "");
  pass(milliseconds(1));
  EXPECT_EQ(broken(), "every asker is answered");
}

TEST_F(InvariantsTest, ARefusalOfWhatCanBeHadIsSeen) {
  invariants_.answered(ask(), Error{ErrorCode::kUnavailable, "down"}, true);
  EXPECT_EQ(broken(), "whoever asks for what can be had gets it");
}

TEST_F(InvariantsTest, ARefusalOfWhatDoesNotExistKeepsThePromise) {
  invariants_.answered(ask(), Error{ErrorCode::kNotFound, "no"}, false);
  EXPECT_EQ(broken(), "");
}

TEST_F(InvariantsTest, ACorruptBlobWithoutAnEarlierWrongByteIsSeen) {
  fail(ask());
  EXPECT_EQ(broken(), "whoever asks for what can be had gets it");
}

TEST_F(InvariantsTest, AWrongByteExplainsTheFailuresOfOneMoment) {
  invariants_.sent_wrong_byte(0, digest_);
  const auto first = ask();
  const auto second = ask();
  pass(seconds(1));
  fail(first);
  fail(second);
  EXPECT_EQ(broken(), "");
  EXPECT_EQ(invariants_.poisoned(), 2u);
  pass(seconds(1));
  fail(ask());
  EXPECT_EQ(broken(), "whoever asks for what can be had gets it");
}

TEST_F(InvariantsTest, AWrongByteExplainsNoFailureOfABlobThatIsHeldBack) {
  invariants_.sent_wrong_byte(0, digest_);
  pass(seconds(1));
  fail(ask(true));
  EXPECT_EQ(broken(), "whoever asks for what can be had gets it");
}

TEST_F(InvariantsTest, ABlobThatIsHeldBackMayFailIfItIsNotKept) {
  invariants_.sent_wrong_byte(0, digest_);
  pass(seconds(1));
  const auto question = ask(true);
  invariants_.unkept(0, digest_);
  fail(question);
  EXPECT_EQ(broken(), "");
}

TEST_F(InvariantsTest, ATagThatMovedLongAgoIsSeen) {
  const auto old = answer(cache::ManifestSource::kHit);
  while (content_.find_tag(name_) == old->digest) content_.change(0, world_.steady_now());
  pass(kFreshFor + kCheckTime);
  invariants_.tag_answered(0, name_, world_.steady_now(), old, milliseconds(0));
  EXPECT_EQ(broken(), "");
  pass(milliseconds(1));
  invariants_.tag_answered(0, name_, world_.steady_now(), old, milliseconds(0));
  EXPECT_EQ(broken(), "a tag is no older than promised");
}

TEST_F(InvariantsTest, AStaleTagWithoutTroubleIsSeen) {
  invariants_.tag_answered(0, name_, world_.steady_now(), answer(cache::ManifestSource::kStale),
                           milliseconds(0));
  EXPECT_EQ(broken(), "a tag is stale only in trouble");
}

// A watched transfer, to which the test gives bytes at a pace.
class TransferWatchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    watch_.begin();
    watch_.begin_body();
  }
  void TearDown() override {}

  void pass(milliseconds time) {
    const SteadyTime end = world_.steady_now() + time;
    while (world_.step(end)) {
    }
    world_.rest_until(end);
  }
  void get_a_byte_every(milliseconds time, int times) {
    for (int i = 0; i < times; ++i) {
      pass(time);
      watch_.count(1);
    }
  }

  World world_;
  int too_slow_ = 0;
  TransferWatch watch_{world_, world_, [this] { ++too_slow_; }};
};

TEST_F(TransferWatchTest, TransferWithoutAByteStalls) {
  pass(seconds(30) - milliseconds(1));
  EXPECT_EQ(too_slow_, 0);
  pass(milliseconds(1));
  EXPECT_EQ(too_slow_, 1);
}

TEST_F(TransferWatchTest, TransferThatDripsIsBelowTheFloor) {
  get_a_byte_every(seconds(10), 5);
  EXPECT_EQ(too_slow_, 0);
  pass(seconds(10));
  EXPECT_EQ(too_slow_, 1);
}

TEST_F(TransferWatchTest, TransferAtTheFloorGoesOn) {
  get_a_byte_every(seconds(7), 60);
  EXPECT_EQ(too_slow_, 0);
}

TEST_F(TransferWatchTest, PausedTransferIsNotTooSlow) {
  watch_.pause();
  pass(minutes(10));
  EXPECT_EQ(too_slow_, 0);
}

TEST(WorstWaitsTest, TheTenLongestAreKept) {
  WorstWaits waits;
  for (int i = 1; i <= 12; ++i) waits.add({seconds(i), seconds(24), "a blob", true, ""});
  ASSERT_EQ(waits.longest().size(), 10u);
  EXPECT_EQ(waits.longest().front().wait, seconds(12));
  EXPECT_EQ(waits.longest().back().wait, seconds(3));
  EXPECT_EQ(waits.most_of_bound(), 0.5);
}

}  // namespace
}  // namespace layby::simulation
