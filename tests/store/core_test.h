// SPDX-License-Identifier: Apache-2.0
//
// A fixture over the parts that a DiskStore is made of: a folder with an index, a loop and
// helper threads, for the tests of one part alone.

#ifndef LAYBY_TESTS_STORE_CORE_TEST_H_
#define LAYBY_TESTS_STORE_CORE_TEST_H_

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include "store/core.h"
#include "store/digest_lanes.h"
#include "store/disk_harness.h"
#include "support/fake_clock.h"
#include "support/temp_dir.h"

namespace layby::testing {

class CoreTest : public ::testing::Test {
 protected:
  // Each reader locks the index, and a test may open all readers on one thread. ThreadSanitizer
  // tracks at most 64 locks that one thread holds.
  static constexpr unsigned kMaxReaders = 16;

  void SetUp() override {
    workers_.emplace(2);
    lanes_.emplace(*workers_);
    core_ = std::make_shared<store::Core>(UniqueFd(), folder_.path(), store::DiskCalls::real(),
                                          *loop_, counters_, events_);
    ASSERT_TRUE(core_->files.prepare().ok());
    ASSERT_TRUE(make_directories(folder_.path() + "/index").ok());
    auto index =
        store::Index::open(folder_.path() + "/index", std::uint64_t{64} << 20, kMaxReaders);
    ASSERT_TRUE(index.ok());
    core_->commits = std::make_shared<store::CommitQueue>(*std::move(index), workers_->make_lane(),
                                                          *loop_, counters_);
  }
  void TearDown() override {
    lanes_.reset();
    workers_.reset();
  }
  void turn_until(const std::function<bool()>& condition) { turn_loop_until(*loop_, condition); }
  store::Index& index() { return core_->commits->index(); }

  template <typename Use>
  void change(Use use) {
    auto txn = index().write();
    ASSERT_TRUE(txn.ok());
    ASSERT_TRUE(use(*txn).ok());
    ASSERT_TRUE(txn->commit().ok());
  }
  // Adds the file and the record of a published blob.
  oci::Digest add_blob(const std::string& bytes) {
    const oci::Digest digest = oci::Digest::of(bytes);
    const std::filesystem::path path = core_->files.published_path(digest);
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << bytes;
    change([&](store::WriteTxn& txn) {
      return txn.put_blob(digest, {bytes.size(), clock_.wall_now()});
    });
    return digest;
  }
  bool has_file(const oci::Digest& digest) const {
    return std::filesystem::exists(core_->files.published_path(digest));
  }

  TempDir folder_;
  FakeClock clock_;
  Counters counters_;
  events::Events events_;
  std::unique_ptr<event::Loop> loop_ = *event::Loop::create();
  std::optional<event::Workers> workers_;
  std::optional<store::DigestLanes> lanes_;
  std::shared_ptr<store::Core> core_;
};

}  // namespace layby::testing

#endif  // LAYBY_TESTS_STORE_CORE_TEST_H_
