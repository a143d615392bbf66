// SPDX-License-Identifier: Apache-2.0
//
// The number of requests that a minute may have. Time is passed in.

#include "layby/policy/request_log.h"

#include <gtest/gtest.h>

namespace layby::policy {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

class RequestLogTest : public ::testing::Test {
 protected:
  void SetUp() override { now_ = SteadyTime(std::chrono::hours(1)); }

  // Sends all requests that may go now.
  int send_all() {
    int sent = 0;
    for (; sent < 100'000 && log_.wait(now_).count() == 0; ++sent) log_.note(now_);
    return sent;
  }

  RequestLog log_{300};
  SteadyTime now_;
};

TEST_F(RequestLogTest, LetsFewerThanTheLimitThrough) { EXPECT_EQ(send_all(), 299); }

TEST_F(RequestLogTest, EveryMinuteStaysBelowTheLimit) {
  std::deque<SteadyTime> sent;
  // Sends each request as soon as it may go, for ten minutes in steps of 37 ms.
  for (const SteadyTime end = now_ + minutes(10); now_ < end; now_ += milliseconds(37)) {
    while (log_.wait(now_).count() == 0) {
      log_.note(now_);
      sent.push_back(now_);
      while (sent.front() <= now_ - minutes(1)) sent.pop_front();
      ASSERT_LT(sent.size(), 300u);
    }
  }
}

TEST_F(RequestLogTest, TheNextRequestGoesWhenTheFirstIsAMinuteOld) {
  log_.note(now_);
  now_ += seconds(10);
  send_all();
  EXPECT_EQ(log_.wait(now_), seconds(50));
}

TEST_F(RequestLogTest, FirstStepsLeaveAQuarterOfTheLimit) {
  for (int i = 0; i < 224; ++i) {
    EXPECT_EQ(log_.first_step_wait(now_), milliseconds(0)) << i;
    log_.note(now_);
  }
  EXPECT_EQ(log_.first_step_wait(now_), minutes(1));
  EXPECT_EQ(log_.wait(now_), milliseconds(0));
}

TEST_F(RequestLogTest, BackgroundRequestsGetHalfOfTheLimit) {
  for (int i = 0; i < 149; ++i) {
    EXPECT_EQ(log_.background_wait(now_), milliseconds(0)) << i;
    log_.note(now_);
  }
  EXPECT_EQ(log_.background_wait(now_), minutes(1));
  EXPECT_EQ(log_.wait(now_), milliseconds(0));
}

TEST_F(RequestLogTest, ADrainedLogWaitsAMinute) {
  log_.drain(now_);
  EXPECT_EQ(log_.wait(now_), minutes(1));
}

TEST_F(RequestLogTest, ZeroMeansNoLimit) {
  log_ = RequestLog(0);
  EXPECT_EQ(send_all(), 100'000);
  log_.drain(now_);
  EXPECT_EQ(log_.background_wait(now_), milliseconds(0));
}

TEST_F(RequestLogTest, ALimitOfOneLetsOneThrough) {
  log_ = RequestLog(1);
  EXPECT_EQ(send_all(), 1);
}

class SharedRequestLogTest : public RequestLogTest {
 protected:
  int send_all_of(const IpAddress& client, bool is_first_step = false) {
    int sent = 0;
    for (; log_.wait_of(client, is_first_step, now_).count() == 0; ++sent) log_.note(now_, client);
    return sent;
  }
  const IpAddress anna_ = *parse_ip_address("10.0.0.1");
  const IpAddress ben_ = *parse_ip_address("10.0.0.2");
};

TEST_F(SharedRequestLogTest, AClientMayUseThreeQuartersOfWhatOthersLeft) {
  EXPECT_EQ(send_all_of(anna_), 225);
  EXPECT_EQ(send_all_of(ben_), 56);
  EXPECT_EQ(send_all_of({}), 18) << "the box itself has no share";
}

TEST_F(SharedRequestLogTest, FirstStepsLeaveAQuarterOfTheShare) {
  EXPECT_EQ(send_all_of(anna_, true), 169);
  EXPECT_EQ(send_all_of(anna_), 56);
}

TEST_F(SharedRequestLogTest, ASmallLimitLetsAClientSendAtLeastOne) {
  log_ = RequestLog(4);
  EXPECT_EQ(send_all_of(anna_), 3 - 3 / 4);
  log_ = RequestLog(3);
  EXPECT_EQ(send_all_of(anna_), 2);
  log_ = RequestLog(2);
  EXPECT_EQ(send_all_of(anna_), 1);
  EXPECT_EQ(send_all_of(ben_), 0);
}

TEST_F(SharedRequestLogTest, AClientWaitsUntilItsOldestRequestIsAMinuteOld) {
  log_.note(now_, anna_);
  now_ += seconds(10);
  send_all_of(anna_);
  EXPECT_EQ(log_.wait_of(anna_, false, now_), seconds(50));
  EXPECT_EQ(log_.wait_of(ben_, false, now_), milliseconds(0));
  now_ += seconds(50);
  EXPECT_EQ(send_all_of(anna_), 1);
  EXPECT_EQ(log_.sent_by(anna_, now_), 225u);
}

TEST_F(SharedRequestLogTest, ADrainedLogWaitsAMinuteForAClientToo) {
  log_.drain(now_);
  EXPECT_EQ(log_.wait_of(anna_, false, now_), minutes(1));
}

TEST_F(SharedRequestLogTest, ZeroMeansNoLimitForAClient) {
  log_ = RequestLog(0);
  for (int i = 0; i < 1000; ++i) log_.note(now_, anna_);
  EXPECT_EQ(log_.wait_of(anna_, true, now_), milliseconds(0));
  EXPECT_EQ(log_.wait(now_), milliseconds(0));
  EXPECT_EQ(log_.background_wait(now_), milliseconds(0));
}

TEST_F(SharedRequestLogTest, ALogWithoutALimitCountsAmongTheLastRequests) {
  log_ = RequestLog(0);
  log_.note(now_, ben_);
  for (int i = 0; i < 299; ++i) log_.note(now_, anna_);
  EXPECT_EQ(log_.sent_by(anna_, now_), 299u);
  EXPECT_EQ(log_.sent_by(ben_, now_), 1u);
  log_.note(now_, anna_);
  EXPECT_EQ(log_.sent_by(anna_, now_), 300u);
  EXPECT_EQ(log_.sent_by(ben_, now_), 0u);
}

}  // namespace
}  // namespace layby::policy
