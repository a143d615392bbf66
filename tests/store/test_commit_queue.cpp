// SPDX-License-Identifier: Apache-2.0
//
// Batches: their order and results, and that a failing write fails alone.

#include "store/commit_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <latch>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "store/disk_harness.h"
#include "support/temp_dir.h"

namespace layby::store {
namespace {

class CommitQueueTest : public ::testing::Test {
 protected:
  void SetUp() override {
    workers_.emplace(1);
    auto index = Index::open(folder_.path(), std::uint64_t{64} << 20);
    ASSERT_TRUE(index.ok());
    queue_ =
        std::make_shared<CommitQueue>(*std::move(index), workers_->make_lane(), *loop_, counters_);
  }
  // Nothing is committed until go_.count_down().
  void block_helper() {
    workers_->submit([this] { go_.wait(); });
  }
  CommitQueue::Write put(const std::string& tag) {
    return [this, tag](WriteTxn& txn) {
      ++runs_;
      return txn.put_tag({"u", "r", tag}, {digest_, WallTime()});
    };
  }
  CommitQueue::Done log_result() {
    return [this](const Status& status) { results_.push_back(status); };
  }
  void turn_until_results(std::size_t count) {
    testing::turn_loop_until(*loop_, [&] { return results_.size() >= count; });
  }
  std::vector<std::string> tags() { return *queue_->index().read()->list_tags("u", "r"); }

  testing::TempDir folder_;
  Counters counters_;
  const oci::Digest digest_ = oci::Digest::of("");
  std::unique_ptr<event::Loop> loop_ = *event::Loop::create();
  std::latch go_{1};
  std::atomic<int> runs_ = 0;
  std::vector<Status> results_;
  std::optional<event::Workers> workers_;
  std::shared_ptr<CommitQueue> queue_;
};

TEST_F(CommitQueueTest, EachWriteGetsItsResult) {
  block_helper();
  for (const char* tag : {"a", "b", "c"}) queue_->add(put(tag), log_result());
  go_.count_down();
  turn_until_results(3);
  for (const Status& status : results_) EXPECT_TRUE(status.ok());
  EXPECT_EQ(tags(), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(runs_, 3);
}

TEST_F(CommitQueueTest, AFailingWriteDoesNotFailTheRestOfItsBatch) {
  block_helper();
  queue_->add(put("a"), log_result());
  queue_->add(
      [](WriteTxn&) {
        return Status(Error{ErrorCode::kCorrupt, "injected"});
      },
      log_result());
  queue_->add(put("b"), log_result());
  go_.count_down();
  turn_until_results(3);
  EXPECT_TRUE(results_[0].ok());
  ASSERT_FALSE(results_[1].ok());
  EXPECT_EQ(results_[1].error().message, "injected");
  EXPECT_TRUE(results_[2].ok());
  EXPECT_EQ(tags(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(runs_, 3);  // "a" runs in the failing batch, then "a" and "b" run alone.
  EXPECT_EQ(counters_.store_errors, 1u);
}

TEST_F(CommitQueueTest, ATooLongTagIsRefusedAndTheRestIsCommitted) {
  block_helper();
  queue_->add(put(std::string(500, 't')), log_result());
  queue_->add(put("a"), log_result());
  go_.count_down();
  turn_until_results(2);
  EXPECT_EQ(results_[0].error().code, ErrorCode::kInvalid);
  EXPECT_TRUE(results_[1].ok());
}

TEST_F(CommitQueueTest, QueuedWritesAreCommittedAfterTheQueueIsReleased) {
  block_helper();
  queue_->add(put("a"), nullptr);
  queue_.reset();
  go_.count_down();
  workers_.reset();
  auto index = Index::open(folder_.path(), std::uint64_t{64} << 20);
  ASSERT_TRUE(index.ok());
  EXPECT_EQ(*(*index)->read()->list_tags("u", "r"), (std::vector<std::string>{"a"}));
}

}  // namespace
}  // namespace layby::store
