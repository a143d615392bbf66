// SPDX-License-Identifier: Apache-2.0
//
// Tests which client X-Forwarded-For names. The trusted proxies are 10.0.0.0/8 and fd00::/8.

#include "server/forwarded.h"

#include <gtest/gtest.h>

#include <string>

namespace layby::server {
namespace {

class ForwardedTest : public ::testing::Test {
 protected:
  std::string client(const std::string& list) const {
    return to_string(forwarded_client(parse_ip_address("10.0.0.1").value(), list, proxies_));
  }

  const std::vector<IpNetwork> proxies_{parse_ip_network("10.0.0.0/8").value(),
                                        parse_ip_network("fd00::/8").value()};
};

TEST_F(ForwardedTest, TheLastAddressIsTheClient) {
  EXPECT_EQ(client("192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(client("2001:db8::1"), "2001:db8::1");
}

TEST_F(ForwardedTest, AddressesThatTheClientWroteDoNotCount) {
  EXPECT_EQ(client("198.51.100.7, 192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(client("10.0.0.9, 192.0.2.1"), "192.0.2.1");
}

TEST_F(ForwardedTest, TrustedProxiesAreSkipped) {
  EXPECT_EQ(client("192.0.2.1, 10.0.0.2, fd00::3"), "192.0.2.1");
  EXPECT_EQ(client("192.0.2.1,10.0.0.2,10.0.0.3"), "192.0.2.1");
}

TEST_F(ForwardedTest, OnlyProxiesNameTheFarthest) {
  EXPECT_EQ(client("10.0.0.3, 10.0.0.2"), "10.0.0.3");
}

TEST_F(ForwardedTest, AWordThatIsNoAddressEndsTheList) {
  EXPECT_EQ(client("192.0.2.1, unknown"), "10.0.0.1");
  EXPECT_EQ(client("192.0.2.1, unknown, 10.0.0.2"), "10.0.0.2");
  EXPECT_EQ(client(""), "10.0.0.1");
  EXPECT_EQ(client(","), "10.0.0.1");
  EXPECT_EQ(client("192.0.2.1,"), "10.0.0.1");
}

TEST_F(ForwardedTest, AnAddressMayHaveAPort) {
  EXPECT_EQ(client("192.0.2.1:5000"), "192.0.2.1");
  EXPECT_EQ(client("[2001:db8::1]:5000"), "2001:db8::1");
  EXPECT_EQ(client("[2001:db8::1"), "10.0.0.1");
}

}  // namespace
}  // namespace layby::server
