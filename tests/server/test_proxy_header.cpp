// SPDX-License-Identifier: Apache-2.0
//
// Tests the parser of the PROXY protocol's header, versions 1 and 2.

#include "server/proxy_header.h"

#include <gtest/gtest.h>

#include <string>
#include <variant>

namespace layby::server {
namespace {

constexpr std::string_view kStart{"\r\n\r\n\0\r\nQUIT\n", 12};

// Returns a binary header (version 2) with a correct length.
std::string binary(char version_command, char family, const std::string& rest) {
  std::string header(kStart);
  header += version_command;
  header += family;
  header += static_cast<char>(rest.size() >> 8U);
  header += static_cast<char>(rest.size());
  return header + rest;
}
std::string v4_block() {
  return std::string("\xc0\x00\x02\x01\x0a\x00\x00\x01\x80\x00\x13\x88", 12);
}

class ProxyHeaderTest : public ::testing::Test {
 protected:
  // Returns the client that a header names, as text. Returns "" if the header names no client, and
  // "?" if the parser finds no whole header.
  static std::string client(const std::string& bytes) {
    const auto result = parse_proxy_header(bytes + "GET / HTTP/1.1\r\n");
    const auto* header = std::get_if<ProxyHeader>(&result);
    if (header == nullptr) return "?";
    EXPECT_EQ(header->bytes, bytes.size());
    return header->client ? to_string(*header->client) : "";
  }
  static bool is_bad(const std::string& bytes) {
    return std::holds_alternative<BadProxyHeader>(parse_proxy_header(bytes));
  }
  static bool is_none(const std::string& bytes) {
    return std::holds_alternative<NoProxyHeader>(parse_proxy_header(bytes));
  }
};

TEST_F(ProxyHeaderTest, ALineNamesTheClient) {
  EXPECT_EQ(client("PROXY TCP4 192.0.2.1 10.0.0.1 51234 5000\r\n"), "192.0.2.1");
  EXPECT_EQ(client("PROXY TCP6 2001:db8::1 2001:db8::2 51234 5000\r\n"), "2001:db8::1");
}

TEST_F(ProxyHeaderTest, ALineMayNameNoClient) {
  EXPECT_EQ(client("PROXY UNKNOWN\r\n"), "");
  EXPECT_EQ(client("PROXY UNKNOWN ffff:f 1 2 3 4 5 6\r\n"), "");
}

TEST_F(ProxyHeaderTest, ABinaryHeaderNamesTheClient) {
  EXPECT_EQ(client(binary(0x21, 0x11, v4_block())), "192.0.2.1");
  EXPECT_EQ(client(binary(0x21, 0x11, v4_block() + std::string(500, 'e'))), "192.0.2.1");
  const std::string v6 = std::string("\x20\x01\x0d\xb8", 4) + std::string(11, '\0') + '\x01';
  EXPECT_EQ(client(binary(0x21, 0x21, v6 + v6 + "\x80\x01\x13\x88")), "2001:db8::1");
}

TEST_F(ProxyHeaderTest, ABinaryHeaderMayNameNoClient) {
  EXPECT_EQ(client(binary(0x20, 0x00, "")), "") << "LOCAL";
  EXPECT_EQ(client(binary(0x20, 0x11, v4_block())), "") << "LOCAL";
  EXPECT_EQ(client(binary(0x21, 0x31, std::string(216, 'u'))), "") << "a Unix socket";
  EXPECT_EQ(client(binary(0x21, 0x00, "")), "") << "UNSPEC";
}

TEST_F(ProxyHeaderTest, OtherBytesAreTheClientsOwn) {
  for (const std::string bytes :
       {"GET / HTTP/1.1\r\n", "POST /", "PUT", "PRI * HTTP/2.0", "\x16\x03\x01", "\r\n\rG"}) {
    EXPECT_TRUE(is_none(bytes)) << bytes;
  }
}

TEST_F(ProxyHeaderTest, EachByteOfAHeaderIsWaitedFor) {
  for (const std::string& header : {std::string("PROXY TCP4 192.0.2.1 10.0.0.1 51234 5000\r\n"),
                                    binary(0x21, 0x11, v4_block())}) {
    for (std::size_t size = 0; size < header.size(); ++size) {
      const auto result = parse_proxy_header(std::string_view(header).substr(0, size));
      const auto* unfinished = std::get_if<ProxyHeaderUnfinished>(&result);
      ASSERT_NE(unfinished, nullptr) << size;
      EXPECT_GT(unfinished->least, size);
      EXPECT_LE(unfinished->least, header.size());
    }
  }
}

TEST_F(ProxyHeaderTest, WaitsForOneByteWhileTheNextByteCanBeTheClients) {
  for (const std::string_view start : {std::string_view("PROXY "), kStart}) {
    for (std::size_t size = 1; size < start.size(); ++size) {
      const auto result = parse_proxy_header(start.substr(0, size));
      const auto* unfinished = std::get_if<ProxyHeaderUnfinished>(&result);
      ASSERT_NE(unfinished, nullptr) << size;
      EXPECT_EQ(unfinished->least, size + 1);
      const std::string other = std::string(start.substr(0, size)) + "x";
      EXPECT_TRUE(std::holds_alternative<NoProxyHeader>(parse_proxy_header(other))) << size;
    }
  }
}

TEST_F(ProxyHeaderTest, RefusesAWrongLine) {
  for (const char* line :
       {"PROXY TCP4 192.0.2.1 10.0.0.1 51234\r\n", "PROXY TCP4 192.0.2.1 10.0.0.1 1 2 3\r\n",
        "PROXY TCP4 a 10.0.0.1 1 2\r\n", "PROXY TCP4 192.0.2.1 10.0.0.1 1 65536\r\n",
        "PROXY UDP4 192.0.2.1 10.0.0.1 1 2\r\n", "PROXY \r\n",
        "PROXY TCP4  192.0.2.1 10.0.0.1 1 2\r\n"}) {
    EXPECT_TRUE(is_bad(line)) << line;
  }
  EXPECT_TRUE(is_bad("PROXY " + std::string(101, 'x'))) << "too long";
  EXPECT_FALSE(is_bad("PROXY " + std::string(100, 'x')));
}

TEST_F(ProxyHeaderTest, RefusesAWrongBinaryHeader) {
  EXPECT_TRUE(is_bad(binary(0x11, 0x11, v4_block()))) << "version";
  EXPECT_TRUE(is_bad(binary(0x22, 0x11, v4_block()))) << "command";
  EXPECT_TRUE(is_bad(binary(0x21, 0x11, v4_block().substr(1)))) << "half an address";
  EXPECT_TRUE(is_bad(binary(0x21, 0x21, v4_block()))) << "half an address";
  EXPECT_TRUE(is_bad(binary(0x21, 0x11, std::string(kMostProxyHeaderBytes, 'x')))) << "too long";
}

}  // namespace
}  // namespace layby::server
