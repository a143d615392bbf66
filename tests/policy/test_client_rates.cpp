// SPDX-License-Identifier: Apache-2.0
//
// Tests the limit on each client's rate of requests. The time is an argument.

#include "layby/policy/client_rates.h"

#include <gtest/gtest.h>

#include <string>

namespace layby::policy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ClientRatesTest : public ::testing::Test {
 protected:
  static IpAddress address(const std::string& text) { return parse_ip_address(text).value(); }

  // Sends 1000 requests of `client` at now_. Returns the number of requests that pass.
  int passing(const std::string& client) {
    int passed = 0;
    for (int i = 0; i < 1000; ++i) passed += rates_.take(address(client), now_) ? 0 : 1;
    return passed;
  }

  ClientRates rates_{60, 10};  // 60 requests a minute, and a burst of 10.
  SteadyTime now_{std::chrono::hours(1)};
};

TEST_F(ClientRatesTest, ANewClientHasABurst) { EXPECT_EQ(passing("10.0.0.1"), 10); }

TEST_F(ClientRatesTest, OnlyTheClientAboveItsRateWaits) {
  passing("10.0.0.1");
  EXPECT_EQ(passing("10.0.0.2"), 10);
}

TEST_F(ClientRatesTest, TheWaitEndsWithTheNextRequestOfTheRate) {
  passing("10.0.0.1");
  EXPECT_EQ(rates_.take(address("10.0.0.1"), now_), seconds(1));
  now_ += milliseconds(999);
  EXPECT_TRUE(rates_.take(address("10.0.0.1"), now_).has_value());
  now_ += milliseconds(1);
  EXPECT_EQ(passing("10.0.0.1"), 1);
}

TEST_F(ClientRatesTest, ARefusedRequestDoesNotLengthenTheWait) {
  passing("10.0.0.1");
  passing("10.0.0.1");
  EXPECT_EQ(rates_.take(address("10.0.0.1"), now_), seconds(1));
}

TEST_F(ClientRatesTest, AQuietClientGetsItsBurstAgain) {
  passing("10.0.0.1");
  now_ += seconds(10);
  EXPECT_EQ(passing("10.0.0.1"), 10);
}

TEST_F(ClientRatesTest, TheAddressesOfANetworkOf64BitsAreOneClient) {
  passing("2001:db8:1:1::1");
  EXPECT_EQ(passing("2001:db8:1:1:ffff::2"), 0);
  EXPECT_EQ(passing("2001:db8:1:2::1"), 10);
}

TEST_F(ClientRatesTest, ZeroMeansNoLimit) {
  ClientRates none(0, 1);
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(none.take(address("10.0.0.1"), now_));
  EXPECT_EQ(none.remembered(), 0u);
}

TEST_F(ClientRatesTest, ANewRateBeginsWithAWholeBurst) {
  passing("10.0.0.1");
  rates_.set_rate(600, 5);
  EXPECT_EQ(passing("10.0.0.1"), 5);
  now_ += milliseconds(100);
  EXPECT_EQ(passing("10.0.0.1"), 1);
}

TEST_F(ClientRatesTest, TheSameRateForgetsNoRequest) {
  passing("10.0.0.1");
  rates_.set_rate(60, 10);
  EXPECT_EQ(passing("10.0.0.1"), 0);
}

TEST_F(ClientRatesTest, TheRateCanBeTurnedOnAndOff) {
  rates_.set_rate(0, 10);
  EXPECT_EQ(passing("10.0.0.1"), 1000);
  rates_.set_rate(60, 10);
  EXPECT_EQ(passing("10.0.0.1"), 10);
}

TEST_F(ClientRatesTest, RemembersABoundedNumberOfClients) {
  IpAddress client = address("2001:db8::");
  for (std::size_t i = 0; i < ClientRates::kMostClients + 1000; ++i) {
    client.bytes[4] = static_cast<std::uint8_t>(i >> 16U);
    client.bytes[5] = static_cast<std::uint8_t>(i >> 8U);
    client.bytes[6] = static_cast<std::uint8_t>(i);
    EXPECT_FALSE(rates_.take(client, now_));
  }
  EXPECT_EQ(rates_.remembered(), ClientRates::kMostClients);
}

TEST_F(ClientRatesTest, ForgetsClientsThatAreIdle) {
  passing("10.0.0.1");
  now_ += seconds(9);
  passing("10.0.0.2");
  EXPECT_EQ(rates_.remembered(), 2u);
  now_ += seconds(2);
  passing("10.0.0.3");
  EXPECT_EQ(rates_.remembered(), 2u) << "10.0.0.2 still pays for its burst";
}

}  // namespace
}  // namespace layby::policy
