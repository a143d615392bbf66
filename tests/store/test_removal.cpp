// SPDX-License-Identifier: Apache-2.0
//
// Tests a removal without a store. The tests of eviction run removals through the store.

#include "store/removal.h"

#include "store/core_test.h"
#include "store/removals.h"
#include "store/trash.h"

namespace layby::testing {
namespace {

using store::Removal;

class RemovalTest : public CoreTest {
 protected:
  void SetUp() override {
    CoreTest::SetUp();
    space_.emplace(folder_.path(), *loop_, *workers_, clock_, counters_);
    removals_.emplace(Removal::Context{core_, *workers_, clock_, *lanes_, *space_,
                                       [this] { return being_read_; }, [] {}});
    listener_ = events_.listen([this](const events::Event& event) {
      if (std::holds_alternative<events::Evicted>(event)) ++evictions_told_;
    });
  }
  void TearDown() override {
    listener_.reset();
    removals_.reset();
    space_.reset();
    CoreTest::TearDown();
  }
  void start(Removal::Goal goal) {
    removals_->start(std::move(goal),
                     [this](const Result<cache::EvictedSum>& sum) { results_.push_back(sum); });
  }
  Result<cache::EvictedSum> run(Removal::Goal goal) {
    const std::size_t before = results_.size();
    start(std::move(goal));
    turn_until([&] { return results_.size() > before; });
    return results_.back();
  }
  void let_time_pass() { clock_.advance(std::chrono::minutes(10)); }

  std::optional<store::DiskSpace> space_;
  std::optional<store::Removals> removals_;
  std::set<oci::Digest> being_read_;
  std::vector<Result<cache::EvictedSum>> results_;
  Handle listener_;
  int evictions_told_ = 0;
};

TEST_F(RemovalTest, TheLowestRanksGoUntilEnoughIsFreed) {
  for (const char* bytes : {"one", "two", "six"}) add_blob(bytes);
  let_time_pass();

  const auto sum = run(Removal::LowestRanks{4});

  ASSERT_TRUE(sum.ok());
  EXPECT_EQ(sum->blobs, 2u);
  EXPECT_EQ(sum->blob_bytes, 6u);
  EXPECT_EQ(counters_.evicted_blobs, 2u);
  EXPECT_EQ(evictions_told_, 1);
}

TEST_F(RemovalTest, AnEvictionInVainIsNotTold) {
  const auto sum = run(Removal::LowestRanks{4});

  ASSERT_TRUE(sum.ok());
  EXPECT_EQ(sum->blobs, 0u);
  EXPECT_EQ(evictions_told_, 0);
}

TEST_F(RemovalTest, ABlobThatIsBeingReadStays) {
  const oci::Digest read = add_blob("one");
  const oci::Digest other = add_blob("two");
  being_read_.insert(read);
  let_time_pass();

  EXPECT_EQ(run(Removal::LowestRanks{UINT64_MAX})->blobs, 1u);

  EXPECT_TRUE(has_file(read));
  EXPECT_FALSE(has_file(other));
}

TEST_F(RemovalTest, AFailedCommitEndsTheRemovalWithItsError) {
  const auto sum = run(Removal::Image{{"docker.io", "library/a", "t"}});

  EXPECT_EQ(sum.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(evictions_told_, 0);
}

TEST_F(RemovalTest, LeftoversAreDeletedAndNotCountedAsEvicted) {
  const oci::Digest digest = add_blob("one");
  change([&](store::WriteTxn& txn) { return txn.trash_blob(digest); });

  const auto sum = run(Removal::Leftovers{{digest}});

  ASSERT_TRUE(sum.ok());
  EXPECT_EQ(sum->blobs, 0u);
  EXPECT_FALSE(has_file(digest));
  EXPECT_EQ(counters_.evicted_blobs, 0u);
  EXPECT_EQ(evictions_told_, 0);
  turn_until([&] { return store::read_trash(*core_).empty(); });
}

TEST_F(RemovalTest, AFileThatAWriterUsesStaysAndSoDoesItsNote) {
  const oci::Digest digest = add_blob("one");
  change([&](store::WriteTxn& txn) { return txn.trash_blob(digest); });
  const auto lane = lanes_->get(digest);
  lane->published_users = 1;

  EXPECT_TRUE(run(Removal::Leftovers{{digest}}).ok());

  EXPECT_TRUE(has_file(digest));
  EXPECT_EQ(store::read_trash(*core_), std::vector{digest});
  lane->published_users = 0;
}

TEST_F(RemovalTest, RemovalsRunSideBySide) {
  for (const char* bytes : {"one", "two", "six"}) add_blob(bytes);
  let_time_pass();

  start(Removal::LowestRanks{3});
  start(Removal::LowestRanks{3});
  turn_until([&] { return results_.size() == 2; });

  EXPECT_EQ(counters_.evicted_blobs, 2u);
  EXPECT_EQ(evictions_told_, 2);
}

TEST_F(RemovalTest, ADestroyedRemovalAnswersNothing) {
  add_blob("one");
  let_time_pass();

  start(Removal::LowestRanks{1});
  removals_.reset();
  bool later = false;
  core_->commits->add([](store::WriteTxn&) { return Status(); },
                      [&](const Status&) { later = true; });
  turn_until([&] { return later; });

  EXPECT_TRUE(results_.empty());
}

TEST_F(RemovalTest, TheCallbackMayEndAllRemovals) {
  bool answered = false;
  removals_->start(Removal::LowestRanks{0}, [&](const auto&) {
    answered = true;
    removals_.reset();
  });
  turn_until([&] { return answered; });

  EXPECT_FALSE(removals_);
}

}  // namespace
}  // namespace layby::testing
