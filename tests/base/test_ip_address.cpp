// SPDX-License-Identifier: Apache-2.0
//
// Tests how addresses and networks are read from text and sockets, and by which address the limits
// count a client.

#include "layby/base/ip_address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <string>

namespace layby::testing {
namespace {

IpAddress address(std::string_view text) { return parse_ip_address(text).value(); }
IpNetwork network(std::string_view text) { return parse_ip_network(text).value(); }

TEST(IpAddress, TextComesBack) {
  for (const std::string text : {"10.0.0.7", "255.255.255.255", "2001:db8::1", "::1", "::"}) {
    EXPECT_EQ(to_string(address(text)), text);
  }
}

TEST(IpAddress, AMappedAddressIsTheIPv4Address) {
  EXPECT_EQ(address("::ffff:10.0.0.7"), address("10.0.0.7"));
  EXPECT_TRUE(address("10.0.0.7").is_v4());
  EXPECT_FALSE(address("2001:db8::1").is_v4());
}

TEST(IpAddress, OtherTextIsNoAddress) {
  using std::string_literals::operator""s;
  for (const std::string& text :
       {""s, "10.0.0"s, "10.0.0.256"s, "010.0.0.1 "s, "fe80::1%eth0"s, "::g"s, "10.0.0.7\0x"s}) {
    EXPECT_FALSE(parse_ip_address(text)) << text;
  }
}

TEST(IpAddress, ASocketsAddressOfEachFamily) {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_addr.s_addr = htonl(0x0a000007);
  EXPECT_EQ(ip_address_of(reinterpret_cast<const sockaddr&>(v4)), address("10.0.0.7"));

  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_addr = in6addr_loopback;
  EXPECT_EQ(ip_address_of(reinterpret_cast<const sockaddr&>(v6)), address("::1"));

  sockaddr other{};
  other.sa_family = AF_UNIX;
  EXPECT_FALSE(ip_address_of(other));
}

TEST(IpNetwork, ContainsTheAddressesOfItsPrefix) {
  EXPECT_TRUE(network("10.0.0.0/8").contains(address("10.255.0.1")));
  EXPECT_FALSE(network("10.0.0.0/8").contains(address("11.0.0.0")));
  EXPECT_TRUE(network("172.16.0.0/12").contains(address("172.31.255.255")));
  EXPECT_FALSE(network("172.16.0.0/12").contains(address("172.32.0.0")));
  EXPECT_TRUE(network("fd00::/8").contains(address("fdff::1")));
  EXPECT_FALSE(network("fd00::/8").contains(address("fe00::1")));
}

TEST(IpNetwork, ZeroBitsAreTheWholeFamily) {
  EXPECT_TRUE(network("0.0.0.0/0").contains(address("192.0.2.1")));
  EXPECT_FALSE(network("0.0.0.0/0").contains(address("2001:db8::1")));
  EXPECT_TRUE(network("::/0").contains(address("2001:db8::1")));
}

TEST(IpNetwork, AnAddressIsANetworkOfOne) {
  EXPECT_TRUE(network("10.0.0.7").contains(address("10.0.0.7")));
  EXPECT_FALSE(network("10.0.0.7").contains(address("10.0.0.6")));
  EXPECT_EQ(network("10.0.0.7"), network("10.0.0.7/32"));
}

TEST(IpNetwork, TextComesBack) {
  for (const std::string text : {"10.0.0.0/8", "10.0.0.7/32", "0.0.0.0/0", "fd00::/8", "::/0"}) {
    EXPECT_EQ(to_string(network(text)), text);
  }
}

TEST(IpNetwork, OtherTextIsNoNetwork) {
  for (const std::string text :
       {"", "/8", "10.0.0.0/", "10.0.0.0/33", "fd00::/129", "10.0.0.1/8", "10.0.0.0/-1", "lan"}) {
    EXPECT_FALSE(parse_ip_network(text)) << text;
  }
}

TEST(CountedAddress, IsTheNetworkOfAnIPv6Machine) {
  EXPECT_EQ(counted_address(address("2001:db8:1:2:3:4:5:6")), address("2001:db8:1:2::"));
  EXPECT_EQ(counted_address(address("10.0.0.7")), address("10.0.0.7"));
}

}  // namespace
}  // namespace layby::testing
