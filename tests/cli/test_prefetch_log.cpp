// SPDX-License-Identifier: Apache-2.0
//
// The lines of `layby prefetch` in a file, from looks and times that the test states.

#include "cli/prefetch_log.h"

#include <gtest/gtest.h>

#include "cli/prefetch_json.h"

namespace layby::cli {
namespace {

using std::chrono::seconds;

class PrefetchLogTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {}

  std::string told(const std::string& json, int second) {
    const Result<PrefetchLook> look = read_prefetch(json);
    EXPECT_TRUE(look.ok()) << json;
    return look ? log_.lines(*look, seconds(second)) : "";
  }

  PrefetchLog log_;
};

TEST_F(PrefetchLogTest, AnEndedImageIsReportedOnce) {
  EXPECT_EQ(told(running_json(0, 0, true, image_json("a", "fetching")), 0), "");
  EXPECT_EQ(told(running_json(0, 0, true, image_json("a", "done", 3000, 3000)), 1),
            "a: done, 3.0 kB\n");
  EXPECT_EQ(told(running_json(0, 0, true, image_json("a", "done", 3000, 3000)), 2), "");
}

TEST_F(PrefetchLogTest, AFailureIsReportedAgainAfterARetry) {
  const std::string failed = running_json(0, 0, true, image_json("a", "failed", 0, 0, "no tag"));
  EXPECT_EQ(told(failed, 0), "a: failed: no tag\n");
  EXPECT_EQ(told(running_json(0, 0, true, image_json("a", "checking")), 1), "");
  EXPECT_EQ(told(failed, 2), "a: failed: no tag\n");
}

TEST_F(PrefetchLogTest, CurrentImagesAreOnlyCounted) {
  EXPECT_EQ(told(running_json(0, 0, true, image_json("a", "current")), 9), "");
  EXPECT_EQ(told(running_json(0, 0, true, image_json("a", "current")), 10),
            "nothing to fetch; 1 current\n");
}

TEST_F(PrefetchLogTest, TheSumComesEveryTenSeconds) {
  std::string lines;
  for (int second = 0; second <= 25; ++second) {
    const auto done = static_cast<std::uint64_t>(second) * 1000;
    lines +=
        told(running_json(done, 40'000, true, image_json("a", "fetching", done, 40'000)), second);
  }
  EXPECT_EQ(lines,
            "25.0%  10.0 kB of 40.0 kB, 1.0 kB/s, 30s left\n"
            "50.0%  20.0 kB of 40.0 kB, 1.0 kB/s, 20s left\n");
}

TEST_F(PrefetchLogTest, ALongWaitIsReportedOnce) {
  const std::string waiting =
      prefetch_json(R"("state": "waiting", "reason": "night comes", "bytes_total": 9)",
                    image_json("a", "waiting"));
  std::string lines;
  for (int second = 0; second <= 100; ++second) lines += told(waiting, second);
  EXPECT_EQ(lines, "0 B of at least 9 B; 1 waiting; waiting: night comes\n");
}

TEST_F(PrefetchLogTest, AnEndedRunPrintsNoSum) {
  EXPECT_EQ(told(ended_json("done", 5, image_json("a", "done", 5, 5)), 30), "a: done, 5 B\n");
}

}  // namespace
}  // namespace layby::cli
