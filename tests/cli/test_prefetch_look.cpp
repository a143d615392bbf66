// SPDX-License-Identifier: Apache-2.0
//
// The values read from GET /prefetch, and the words for them.

#include "cli/prefetch_look.h"

#include <gtest/gtest.h>

#include "cli/prefetch_json.h"
#include "cli/prefetch_words.h"

namespace layby::cli {
namespace {

using State = PrefetchImage::State;

class PrefetchLookTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {}

  static PrefetchLook read(const std::string& json) {
    const Result<PrefetchLook> look = read_prefetch(json);
    EXPECT_TRUE(look.ok()) << json;
    return look ? *look : PrefetchLook{};
  }
};

TEST_F(PrefetchLookTest, EachImageStateIsRead) {
  const PrefetchLook look =
      read(running_json(0, 0, false,
                        image_json("a", "waiting") + "," + image_json("b", "checking") + "," +
                            image_json("c", "manifests") + "," + image_json("d", "fetching", 1, 2) +
                            "," + image_json("e", "done") + "," + image_json("f", "current") + "," +
                            image_json("g", "failed", 0, 0, "why") + "," +
                            image_json("h", "stopped") + "," + image_json("i", "brewing")));
  ASSERT_EQ(look.images.size(), 9U);
  EXPECT_EQ(look.images[2].doing, "reading manifests");
  EXPECT_EQ(look.images[3].bytes_done, 1U);
  EXPECT_EQ(look.images[6].error, "why");
  EXPECT_EQ(look.images[8].doing, "brewing");
  EXPECT_EQ(count_of(look, State::kAtWork), 4U);
  EXPECT_EQ(counts(look), "1 current, 1 done, 1 failed, 1 stopped, 1 waiting");
}

TEST_F(PrefetchLookTest, FaultsHaveALineAndAPath) {
  const PrefetchLook look = read(R"({"state": "off", "list": "/l.json", "faults": [
      {"line": 5, "path": "images[0].tags[1]", "message": "is no tag"},
      {"path": "images", "message": "is missing"}]})");
  EXPECT_EQ(look.list, "/l.json");
  ASSERT_EQ(look.faults.size(), 2U);
  EXPECT_EQ(look.faults[0].line, 5);
  EXPECT_EQ(look.faults[0].path, "images[0].tags[1]");
  EXPECT_EQ(look.faults[0].message, "is no tag");
  EXPECT_EQ(look.faults[1].line, 0);
}

TEST_F(PrefetchLookTest, ARunEndsWithItsResult) {
  EXPECT_EQ(state_of_run(read(running_json(0, 0, false, "")), 7), RunState::kGoing);
  EXPECT_EQ(state_of_run(read(ended_json("stopped", 0, "")), 7), RunState::kEnded);
  EXPECT_EQ(state_of_run(read(ended_json("done", 0, "")), 6), RunState::kLost);
  EXPECT_EQ(state_of_run(read(ended_json("done", 0, "")), 8), RunState::kLost);
}

TEST_F(PrefetchLookTest, OnlyADoneRunWithoutFailedImagesIsFine) {
  EXPECT_TRUE(all_fine(read(ended_json("done", 0, image_json("a", "current")))));
  EXPECT_FALSE(all_fine(read(ended_json("done", 0, image_json("a", "failed")))));
  EXPECT_FALSE(all_fine(read(ended_json("stopped", 0, ""))));
  EXPECT_FALSE(all_fine(read(ended_json("failed", 0, ""))));
}

TEST_F(PrefetchLookTest, TheTotalShowsOnlyKnownFigures) {
  EXPECT_EQ(total(read(running_json(0, 0, false, "")), 5), "sizes are not known yet");
  EXPECT_EQ(total(read(running_json(0, 0, true, "")), 5), "nothing to fetch");
  EXPECT_EQ(total(read(running_json(1000, 4000, false, "")), 100),
            "1.0 kB of at least 4.0 kB, 100 B/s");
  EXPECT_EQ(total(read(running_json(1000, 4000, true, "")), 100),
            "25.0%  1.0 kB of 4.0 kB, 100 B/s, 30s left");
  EXPECT_EQ(total(read(running_json(1000, 4000, true, "")), 0), "25.0%  1.0 kB of 4.0 kB, 0 B/s");
  EXPECT_EQ(total(read(running_json(1000, 4000, true, "")), std::nullopt),
            "25.0%  1.0 kB of 4.0 kB");
}

TEST_F(PrefetchLookTest, AWaitingRunShowsAReasonAndNoRate) {
  const PrefetchLook look =
      read(prefetch_json(R"("state": "waiting", "reason": "the pulls are used up", "result": "",)"
                         R"("bytes_known": true, "bytes_done": 1000, "bytes_total": 4000)",
                         ""));
  EXPECT_EQ(total(look, 100), "25.0%  1.0 kB of 4.0 kB");
  EXPECT_EQ(why_it_waits(look), "waiting: the pulls are used up");
}

TEST_F(PrefetchLookTest, TheVerdictSumsUpTheRun) {
  const std::string images = image_json("a", "current") + "," + image_json("b", "done");
  EXPECT_EQ(verdict(read(ended_json("done", 3000, images))),
            "1 current, 1 done; 3.0 kB fetched, 2 pulls");
  EXPECT_EQ(verdict(read(ended_json("stopped", 0, images))),
            "stopped: 1 current, 1 done; nothing was fetched, 2 pulls");
  EXPECT_EQ(verdict(read(ended_json("failed", 0, images, "the disk is full"))),
            "failed: the disk is full; 1 current, 1 done; nothing was fetched, 2 pulls");
  EXPECT_EQ(verdict(read(ended_json("failed", 0, image_json("a", "failed"), "then at night"))),
            "1 failed; nothing was fetched, 2 pulls");
  EXPECT_EQ(verdict(read(ended_json("done", 0, ""))), "no images; nothing was fetched, 2 pulls");
}

TEST_F(PrefetchLookTest, TextFromOutsideCantSteerTheTerminal) {
  const PrefetchLook look =
      read(prefetch_json(R"("state": "waiting", "reason": "\u001b[2J")",
                         R"({"image": "\u001b[2J", "state": "\u001b[2J", "error": "\u001b[2J"})"));
  EXPECT_EQ(look.reason + look.images[0].name + look.images[0].doing + look.images[0].error,
            R"(\x1b[2J\x1b[2J\x1b[2J\x1b[2J)");
}

TEST_F(PrefetchLookTest, AnotherDaemonsAnswerIsRefused) {
  EXPECT_FALSE(read_prefetch("{}").ok());
  EXPECT_FALSE(read_prefetch("<html>").ok());
}

}  // namespace
}  // namespace layby::cli
