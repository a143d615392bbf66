// SPDX-License-Identifier: Apache-2.0
//
// Tests the scope of addresses, and which addresses a registry may send us to.

#include "layby/policy/address_scope.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace layby::policy {
namespace {

constexpr AddressScope kPublic = AddressScope::kPublic;
constexpr AddressScope kPrivate = AddressScope::kPrivate;
constexpr AddressScope kLinkLocal = AddressScope::kLinkLocal;
constexpr AddressScope kLoopback = AddressScope::kLoopback;
constexpr AddressScope kNoHost = AddressScope::kNoHost;

TEST(AddressScopeTest, KnowsEachKindOfAddress) {
  const std::vector<std::pair<std::string, AddressScope>> cases = {{"1.1.1.1", kPublic},
                                                                   {"9.255.255.255", kPublic},
                                                                   {"10.0.0.0", kPrivate},
                                                                   {"10.255.255.255", kPrivate},
                                                                   {"11.0.0.0", kPublic},
                                                                   {"172.15.0.1", kPublic},
                                                                   {"172.16.0.1", kPrivate},
                                                                   {"172.31.255.255", kPrivate},
                                                                   {"172.32.0.1", kPublic},
                                                                   {"192.168.1.1", kPrivate},
                                                                   {"100.64.0.1", kPrivate},
                                                                   {"100.128.0.1", kPublic},
                                                                   {"198.19.0.1", kPrivate},
                                                                   {"127.0.0.1", kLoopback},
                                                                   {"127.255.0.1", kLoopback},
                                                                   {"169.254.169.254", kLinkLocal},
                                                                   {"0.0.0.0", kNoHost},
                                                                   {"0.1.2.3", kNoHost},
                                                                   {"224.0.0.1", kNoHost},
                                                                   {"239.255.255.250", kNoHost},
                                                                   {"255.255.255.255", kNoHost},
                                                                   {"2606:4700::1111", kPublic},
                                                                   {"::", kNoHost},
                                                                   {"::1", kLoopback},
                                                                   {"fe80::1", kLinkLocal},
                                                                   {"fc00::1", kPrivate},
                                                                   {"fd12::1", kPrivate},
                                                                   {"ff02::1", kNoHost},
                                                                   {"2001:db8::1", kPrivate}};
  for (const auto& [text, scope] : cases) {
    const auto address = parse_ip_address(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(scope_of(*address), scope) << text;
  }
}

TEST(AddressScopeTest, SeesTheIpv4AddressInsideAnIpv6Address) {
  const std::vector<std::pair<std::string, AddressScope>> cases = {
      {"::ffff:127.0.0.1", kLoopback}, {"::ffff:10.0.0.1", kPrivate},
      {"::ffff:1.1.1.1", kPublic},     {"64:ff9b::127.0.0.1", kLoopback},
      {"64:ff9b::10.0.0.1", kPrivate}, {"64:ff9b::1.1.1.1", kPublic},
      {"2002:7f00:1::1", kLoopback},   {"2002:a00:1::", kPrivate},
      {"2002:101:101::", kPublic},     {"::127.0.0.1", kLoopback},
      {"::10.0.0.1", kPrivate}};
  for (const auto& [text, scope] : cases) {
    const auto address = parse_ip_address(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(scope_of(*address), scope) << text;
  }
}

TEST(AddressScopeTest, OnlyTheOwnSiteMaySendToPrivateAddresses) {
  for (const bool allow : {false, true}) {
    EXPECT_EQ(may_send_to(kPublic, kPrivate, allow), allow);
    EXPECT_EQ(may_send_to(kLinkLocal, kPrivate, allow), allow);
    EXPECT_TRUE(may_send_to(kPrivate, kPrivate, allow));
    EXPECT_TRUE(may_send_to(kLoopback, kPrivate, allow));
  }
}

TEST(AddressScopeTest, OnlyThisMachineMaySendToThisMachine) {
  for (const bool allow : {false, true}) {
    EXPECT_EQ(may_send_to(kPublic, kLoopback, allow), allow);
    EXPECT_EQ(may_send_to(kPrivate, kLoopback, allow), allow);
    EXPECT_TRUE(may_send_to(kLoopback, kLoopback, allow));
  }
}

TEST(AddressScopeTest, OnlyTheLinkMaySendToTheLink) {
  for (const bool allow : {false, true}) {
    for (const AddressScope home : {kPublic, kPrivate, kLoopback}) {
      EXPECT_FALSE(may_send_to(home, kLinkLocal, allow));
    }
    EXPECT_TRUE(may_send_to(kLinkLocal, kLinkLocal, allow));
  }
}

TEST(AddressScopeTest, EverybodyMaySendToThePublicAndNobodyToNoHost) {
  for (const AddressScope home : {kPublic, kPrivate, kLinkLocal, kLoopback}) {
    EXPECT_TRUE(may_send_to(home, kPublic, false));
    EXPECT_FALSE(may_send_to(home, kNoHost, true));
  }
}

}  // namespace
}  // namespace layby::policy
