// SPDX-License-Identifier: Apache-2.0
//
// The pins of the operator's list: they are replaced as a whole, written only when they
// change, and respected by eviction.

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "store/disk_store_test.h"
#include "store/index.h"

namespace layby::testing {
namespace {

class ListPinsIndexTest : public ::testing::Test {
 protected:
  void SetUp() override { reopen(); }
  void TearDown() override {}

  void reopen() {
    index_.reset();
    index_ = *store::Index::open(folder_.path(), std::uint64_t{64} << 20);
  }
  void set(const std::vector<cache::TagKey>& keys, std::chrono::hours later = {}) {
    auto txn = index_->write();
    ASSERT_TRUE(txn->set_list_pins(keys, time_ + later).ok());
    ASSERT_TRUE(txn->commit().ok());
  }
  std::vector<cache::TagKey> pins() {
    std::vector<cache::TagKey> found;
    const Status read = index_->read()->each_list_pin([&](const cache::TagKey& key) {
      found.push_back(key);
      return true;
    });
    EXPECT_TRUE(read.ok());
    return found;
  }
  // The bytes of the index. Every commit that changes the index changes these bytes.
  std::string file_bytes() const {
    std::ifstream file(folder_.path() + "/data.mdb", std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  TempDir folder_;
  std::unique_ptr<store::Index> index_;
  const WallTime time_{std::chrono::seconds(1'700'000'000)};
  const cache::TagKey a_{"u", "r", "a"};
  const cache::TagKey b_{"u", "r", "b"};
  const cache::TagKey c_{"u", "r", "c"};
};

TEST_F(ListPinsIndexTest, TheListIsReplacedAsAWholeAndSurvivesReopening) {
  set({b_, a_, b_});
  reopen();
  EXPECT_EQ(pins(), (std::vector<cache::TagKey>{a_, b_}));
  set({c_, b_});
  EXPECT_EQ(pins(), (std::vector<cache::TagKey>{b_, c_}));
  EXPECT_FALSE(*index_->read()->is_list_pinned(a_));
  EXPECT_TRUE(*index_->read()->is_list_pinned(b_));
  EXPECT_FALSE(*index_->read()->is_pinned(b_));
  set({});
  EXPECT_TRUE(pins().empty());
}

TEST_F(ListPinsIndexTest, AnUnchangedListIsNotWritten) {
  set({a_, b_});
  const std::string before = file_bytes();
  set({b_, a_}, std::chrono::hours(1));
  EXPECT_TRUE(file_bytes() == before);
  set({b_});
  EXPECT_FALSE(file_bytes() == before);
}

TEST_F(ListPinsIndexTest, ATooLongNameIsRefused) {
  auto txn = index_->write();
  const Status put = txn->set_list_pins({{"u", "r", std::string(500, 't')}}, time_);
  ASSERT_FALSE(put.ok());
  EXPECT_EQ(put.error().code, ErrorCode::kInvalid);
}

class ListPinsTest : public DiskTest {
 protected:
  TestManifest add_image(const std::string& tag) {
    const TestManifest image = make_manifest("config of " + tag, {layer_});
    add_blob("config of " + tag);
    add_blob(layer_);
    add_manifest(image);
    add_tag(tag, image.digest);
    return image;
  }

  const std::string layer_ = some_bytes(10'000);
};

TEST_F(ListPinsTest, AListedTagKeepsItsImage) {
  set_list_pins({key("t")});  // Before the tag exists.
  const TestManifest image = add_image("t");
  const auto other = add_blob("other");
  harness_.reopen();
  let_time_pass();
  evict(UINT64_MAX);
  EXPECT_TRUE(has(image));
  EXPECT_TRUE(has(oci::Digest::of(layer_)));
  EXPECT_TRUE(has(oci::Digest::of("config of t")));
  EXPECT_FALSE(has(other));
  set_list_pins({});
  evict(UINT64_MAX);
  EXPECT_FALSE(has(image));
  EXPECT_EQ(blob_files(), 0u);
}

TEST_F(ListPinsTest, EvictingAnImageKeepsContentOfAListedImage) {
  add_image("a");
  const TestManifest listed = add_image("b");
  set_list_pins({key(listed.digest.str())});
  EXPECT_TRUE(evict_image("b").ok());
  EXPECT_TRUE(evict_image("a").ok());
  EXPECT_TRUE(has(listed));
  EXPECT_TRUE(has(oci::Digest::of(layer_)));
  EXPECT_FALSE(has(oci::Digest::of("config of a")));
}

TEST_F(ListPinsTest, EvictingAListedImageIsDeniedWithAdvice) {
  add_image("t");
  set_list_pins({key("t")});
  const auto evicted = evict_image("t");
  EXPECT_EQ(evicted.error().code, ErrorCode::kDenied);
  EXPECT_EQ(evicted.error().message,
            "it is pinned by the prefetch list; take it out of the list first");
  EXPECT_TRUE(store().find_tag(key("t")));
}

TEST_F(ListPinsTest, ListPinsAreShownApartFromPinsByHand) {
  const TestManifest image = add_image("both");
  for (const char* tag : {"hand", "list"}) add_tag(tag, image.digest);
  pin("both");
  pin("hand");
  set_list_pins({key("both"), key("list"), key("later"), key(image.digest.str())});
  const cache::Catalog catalog = this->catalog();
  EXPECT_TRUE(catalog.waiting_pins.empty()) << "only pins by hand are listed as waiting";
  std::vector<std::string> notes;
  for (const cache::CachedImage& one : catalog.images) {
    notes.push_back(one.tag.tag + (one.pinned ? ", pinned" : "") + (one.listed ? ", listed" : ""));
  }
  EXPECT_EQ(notes, (std::vector<std::string>{"both, pinned, listed", "hand, pinned", "list, listed",
                                             image.digest.str() + ", listed"}));
}

}  // namespace
}  // namespace layby::testing
