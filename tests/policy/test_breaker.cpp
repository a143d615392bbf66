// SPDX-License-Identifier: Apache-2.0
//
// The breaker's states and the times of its probes. Time is passed in.

#include "layby/policy/breaker.h"

#include <gtest/gtest.h>

namespace layby::policy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using State = Breaker::State;

class BreakerTest : public ::testing::Test {
 protected:
  void SetUp() override { now_ = SteadyTime(std::chrono::hours(1)); }

  void fail(int times) {
    for (int i = 0; i < times; ++i) breaker_.on_failure(now_);
  }
  // The time from now until the next probe.
  milliseconds probe_in() const {
    return std::chrono::duration_cast<milliseconds>(*breaker_.probe_at() - now_);
  }
  // Waits until the next probe is due, and fails the probe.
  void fail_probe() {
    now_ = std::max(now_, *breaker_.probe_at());
    breaker_.on_probe_failed(now_);
  }

  Breaker breaker_;
  SteadyTime now_;
};

TEST_F(BreakerTest, IsClosedAtFirst) {
  EXPECT_EQ(breaker_.state(), State::kClosed);
  EXPECT_FALSE(breaker_.probe_at());
}

TEST_F(BreakerTest, OneFailureRaisesDoubtAndAnImmediateProbe) {
  fail(1);
  EXPECT_EQ(breaker_.state(), State::kDoubtful);
  EXPECT_EQ(probe_in(), milliseconds(0));
}

TEST_F(BreakerTest, ThreeFailuresInARowOpenIt) {
  fail(2);
  EXPECT_EQ(breaker_.state(), State::kDoubtful);
  fail(1);
  EXPECT_EQ(breaker_.state(), State::kOpen);
}

TEST_F(BreakerTest, AnAnswerBetweenFailuresRestartsTheCount) {
  fail(2);
  breaker_.on_answer(now_);
  fail(2);
  EXPECT_EQ(breaker_.state(), State::kDoubtful);
}

TEST_F(BreakerTest, ATimeOutOpensItAtOnce) {
  breaker_.on_time_out(now_, now_);
  EXPECT_EQ(breaker_.state(), State::kOpen);
  EXPECT_EQ(probe_in(), milliseconds(0));
}

TEST_F(BreakerTest, ALateAnswerRaisesDoubt) {
  breaker_.on_doubt(now_, now_);
  EXPECT_EQ(breaker_.state(), State::kDoubtful);
}

TEST_F(BreakerTest, ATimeOutIsAHintIfAnotherRequestWasAnsweredMeanwhile) {
  const SteadyTime sent_at = now_;
  now_ += seconds(30);
  breaker_.on_answer(now_ - seconds(1));
  breaker_.on_time_out(now_, sent_at);
  EXPECT_EQ(breaker_.state(), State::kClosed);
  EXPECT_EQ(probe_in(), milliseconds(0));
}

TEST_F(BreakerTest, ALateAnswerIsAHintIfAnotherRequestWasAnsweredMeanwhile) {
  const SteadyTime sent_at = now_;
  now_ += seconds(2);
  breaker_.on_answer(now_ - seconds(1));
  breaker_.on_doubt(now_, sent_at);
  EXPECT_EQ(breaker_.state(), State::kClosed);
  EXPECT_EQ(probe_in(), milliseconds(0));
}

TEST_F(BreakerTest, AnAnswerBeforeTheRequestIsNoExcuseForATimeOut) {
  breaker_.on_answer(now_);
  breaker_.on_time_out(now_ + seconds(30), now_);
  EXPECT_EQ(breaker_.state(), State::kOpen);
}

TEST_F(BreakerTest, ADoubtDoesNotCloseAnOpenBreaker) {
  breaker_.on_time_out(now_, now_);
  breaker_.on_doubt(now_, now_);
  EXPECT_EQ(breaker_.state(), State::kOpen);
}

TEST_F(BreakerTest, AHintCausesAnImmediateProbeAndNoDoubt) {
  breaker_.on_hint(now_);
  EXPECT_EQ(breaker_.state(), State::kClosed);
  EXPECT_EQ(probe_in(), milliseconds(0));
}

TEST_F(BreakerTest, AFailedProbeAfterAHintOpensIt) {
  breaker_.on_hint(now_);
  fail_probe();
  EXPECT_EQ(breaker_.state(), State::kOpen);
  EXPECT_EQ(probe_in(), seconds(1));
}

TEST_F(BreakerTest, AnAnswerAfterAHintMakesTheProbeNeedless) {
  breaker_.on_hint(now_);
  breaker_.on_answer(now_);
  EXPECT_FALSE(breaker_.probe_at());
  breaker_.on_probe_failed(now_);
  EXPECT_EQ(breaker_.state(), State::kClosed);
}

TEST_F(BreakerTest, AHintEndsWithTheAnswerThatClosesTheBreaker) {
  breaker_.on_hint(now_);
  fail(1);
  EXPECT_EQ(breaker_.state(), State::kDoubtful);
  breaker_.on_answer(now_);
  EXPECT_FALSE(breaker_.probe_at());
}

TEST_F(BreakerTest, AHintDoesNotCloseAnOpenBreaker) {
  breaker_.on_time_out(now_, now_);
  breaker_.on_hint(now_);
  EXPECT_EQ(breaker_.state(), State::kOpen);
}

TEST_F(BreakerTest, AFailedProbeOpensIt) {
  fail(1);
  fail_probe();
  EXPECT_EQ(breaker_.state(), State::kOpen);
}

TEST_F(BreakerTest, AnyAnswerClosesIt) {
  fail(3);
  breaker_.on_answer(now_);
  EXPECT_EQ(breaker_.state(), State::kClosed);
  EXPECT_FALSE(breaker_.probe_at());
}

TEST_F(BreakerTest, ProbeDelaysGrowUpToFiveSeconds) {
  fail(3);
  std::vector<milliseconds> waits;
  for (int i = 0; i < 5; ++i) {
    fail_probe();
    waits.push_back(probe_in());
  }
  EXPECT_EQ(waits, (std::vector<milliseconds>{seconds(1), seconds(2), seconds(4), seconds(5),
                                              seconds(5)}));
}

TEST_F(BreakerTest, AnAnswerResetsTheProbeDelay) {
  fail(3);
  for (int i = 0; i < 5; ++i) fail_probe();
  breaker_.on_answer(now_);
  fail(3);
  fail_probe();
  EXPECT_EQ(probe_in(), seconds(1));
}

TEST_F(BreakerTest, TurningARequestAwayBringsTheProbeForward) {
  fail(3);
  for (int i = 0; i < 5; ++i) fail_probe();
  now_ += seconds(2);
  breaker_.on_turned_away(now_);
  EXPECT_EQ(probe_in(), milliseconds(0));
}

TEST_F(BreakerTest, TurningRequestsAwayKeepsProbesASecondApart) {
  fail(3);
  for (int i = 0; i < 5; ++i) fail_probe();
  now_ += milliseconds(300);
  breaker_.on_turned_away(now_);
  EXPECT_EQ(probe_in(), milliseconds(700));
}

TEST_F(BreakerTest, AProbeThatFailsAfterAnAnswerChangesNothing) {
  fail(1);
  breaker_.on_answer(now_);
  breaker_.on_probe_failed(now_);
  EXPECT_EQ(breaker_.state(), State::kClosed);
}

TEST_F(BreakerTest, SinceIsTheTimeOfTheFirstDoubt) {
  fail(1);
  const SteadyTime first = now_;
  now_ += seconds(7);
  breaker_.on_time_out(now_, now_);
  EXPECT_EQ(breaker_.since(), first);
}

}  // namespace
}  // namespace layby::policy
