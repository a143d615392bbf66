// SPDX-License-Identifier: Apache-2.0
//
// Tests how platforms are read from text and written as text.

#include "layby/oci/platform.h"

#include <gtest/gtest.h>

namespace layby::oci {
namespace {

class PlatformTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {}
};

TEST_F(PlatformTest, OsAndArchitecture) {
  EXPECT_EQ(parse_platform("linux/amd64"), (Platform{"linux", "amd64", ""}));
}

TEST_F(PlatformTest, Variant) {
  EXPECT_EQ(parse_platform("linux/arm64/v8"), (Platform{"linux", "arm64", "v8"}));
}

TEST_F(PlatformTest, AttestationsPlatformIsRead) {
  EXPECT_EQ(parse_platform("unknown/unknown"), (Platform{"unknown", "unknown", ""}));
}

TEST_F(PlatformTest, OsAloneIsRefused) { EXPECT_EQ(parse_platform("linux"), std::nullopt); }

TEST_F(PlatformTest, FourPartsAreRefused) {
  EXPECT_EQ(parse_platform("linux/arm/v7/x"), std::nullopt);
}

TEST_F(PlatformTest, EmptyOsIsRefused) { EXPECT_EQ(parse_platform("/amd64"), std::nullopt); }

TEST_F(PlatformTest, EmptyArchitectureIsRefused) {
  EXPECT_EQ(parse_platform("linux//v8"), std::nullopt);
}

TEST_F(PlatformTest, TrailingSlashIsRefused) {
  EXPECT_EQ(parse_platform("linux/amd64/"), std::nullopt);
}

TEST_F(PlatformTest, SpaceIsRefused) { EXPECT_EQ(parse_platform("linux/amd 64"), std::nullopt); }

TEST_F(PlatformTest, EmptyTextIsRefused) { EXPECT_EQ(parse_platform(""), std::nullopt); }

TEST_F(PlatformTest, TextLeavesOutAMissingVariant) {
  EXPECT_EQ(to_string(Platform{"linux", "amd64", ""}), "linux/amd64");
}

TEST_F(PlatformTest, TextNamesTheVariant) {
  EXPECT_EQ(to_string(Platform{"linux", "arm", "v7"}), "linux/arm/v7");
}

TEST_F(PlatformTest, DefaultVariantsMayBeOmitted) {
  const auto is_for = [](std::string_view offered, std::string_view wanted) {
    return satisfies(*parse_platform(offered), *parse_platform(wanted));
  };
  EXPECT_TRUE(is_for("linux/arm64/v8", "linux/arm64"));
  EXPECT_TRUE(is_for("linux/arm64", "linux/arm64/v8"));
  EXPECT_TRUE(is_for("linux/arm/v7", "linux/arm"));
  EXPECT_TRUE(is_for("linux/amd64/v1", "linux/amd64"));
  EXPECT_TRUE(is_for("linux/s390x", "linux/s390x"));
  EXPECT_FALSE(is_for("linux/arm/v6", "linux/arm"));
  EXPECT_FALSE(is_for("linux/amd64/v3", "linux/amd64"));
  EXPECT_FALSE(is_for("windows/amd64", "linux/amd64"));
  EXPECT_FALSE(is_for("linux/386", "linux/amd64"));
}

TEST_F(PlatformTest, ClientsRunOlderPlatformsToo) {
  const auto order = [](std::string_view wanted) {
    std::string text;
    for (const Platform& platform : runnable_platforms(*parse_platform(wanted))) {
      text += (text.empty() ? "" : " ") + to_string(platform).substr(sizeof("linux"));
    }
    return text;
  };
  EXPECT_EQ(order("linux/arm"), "arm arm/v6 arm/v5");
  EXPECT_EQ(order("linux/arm/v6"), "arm/v6 arm/v5");
  EXPECT_EQ(order("linux/arm/v5"), "arm/v5");
  EXPECT_EQ(order("linux/arm/v8"), "arm/v8 arm/v7 arm/v6 arm/v5");
  EXPECT_EQ(order("linux/arm64"), "arm64 arm/v8 arm/v7 arm/v6 arm/v5");
  EXPECT_EQ(order("linux/arm64/v8.2"),
            "arm64/v8.2 arm64/v8.1 arm64/v8 arm/v8 arm/v7 arm/v6 arm/v5");
  EXPECT_EQ(order("linux/arm64/v9.1"),
            "arm64/v9.1 arm64/v9 arm64/v8.6 arm64/v8.5 arm64/v8.4 arm64/v8.3 arm64/v8.2 "
            "arm64/v8.1 arm64/v8 arm/v8 arm/v7 arm/v6 arm/v5");
  EXPECT_EQ(order("linux/amd64"), "amd64 386");
  EXPECT_EQ(order("linux/amd64/v3"), "amd64/v3 amd64/v2 amd64/v1 386");
  EXPECT_EQ(order("linux/amd64/odd"), "amd64/odd 386");
  EXPECT_EQ(order("linux/s390x"), "s390x");
}

}  // namespace
}  // namespace layby::oci
