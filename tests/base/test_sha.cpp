// SPDX-License-Identifier: Apache-2.0
//
// SHA-2 against the examples of FIPS 180-4, in one piece and in portions.

#include "layby/base/sha.h"

#include <gtest/gtest.h>

#include <thread>
#include <utility>
#include <vector>

namespace layby {
namespace {

constexpr std::string_view kAbc256 =
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr std::string_view kAbc512 =
    "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
constexpr std::string_view kEmpty256 =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

class ShaTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {}

  Sha sha_{ShaKind::kSha256};
};

TEST_F(ShaTest, Sha256OfAbc) { EXPECT_EQ(sha_hex(ShaKind::kSha256, "abc"), kAbc256); }

TEST_F(ShaTest, Sha512OfAbc) { EXPECT_EQ(sha_hex(ShaKind::kSha512, "abc"), kAbc512); }

TEST_F(ShaTest, Sha256OfNothing) { EXPECT_EQ(sha_.finish_hex(), kEmpty256); }

TEST_F(ShaTest, PortionsDoNotMatter) {
  sha_.update("a");
  sha_.update("");
  sha_.update("bc");
  EXPECT_EQ(sha_.finish_hex(), kAbc256);
}

TEST_F(ShaTest, MoveCarriesTheHash) {
  sha_.update("ab");
  Sha moved = std::move(sha_);
  moved.update("c");
  EXPECT_EQ(moved.finish_hex(), kAbc256);
}

TEST_F(ShaTest, AssignmentStartsANewHash) {
  sha_.update("something else");
  sha_ = Sha(ShaKind::kSha256);
  sha_.update("abc");
  EXPECT_EQ(sha_.finish_hex(), kAbc256);
}

TEST_F(ShaTest, ThreadsHashSideBySide) {
  std::vector<std::string> digests(4);
  {
    std::vector<std::jthread> threads;
    for (std::string& digest : digests) {
      threads.emplace_back([&digest] { digest = sha_hex(ShaKind::kSha256, "abc"); });
    }
  }
  EXPECT_EQ(digests, std::vector<std::string>(4, std::string(kAbc256)));
}

}  // namespace
}  // namespace layby
