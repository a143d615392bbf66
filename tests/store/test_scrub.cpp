// SPDX-License-Identifier: Apache-2.0
//
// The check of stored blobs: the damage that it finds, the repair of damage, and its schedule.

#include "store/scrub.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "store/core_test.h"
#include "store/disk_store_test.h"
#include "store/index.h"

namespace layby::testing {
namespace {

using std::chrono::hours;

std::string blob(unsigned number) { return some_bytes(20'000, number); }

class ScrubTest : public DiskTest {
 protected:
  void SetUp() override { wait_for_end(); }

  void wait_for_end() {
    turn_until([&] { return !operator_store().scrub().running; });
  }
  void verify() {
    operator_store().verify();
    EXPECT_TRUE(operator_store().scrub().running);
    EXPECT_TRUE(operator_store().scrub().on_demand);
    wait_for_end();
  }
  // Reads or changes the notes of the index while no store uses the index.
  template <typename Use>
  void with_index(Use use) {
    harness_.close();
    {
      auto index = store::Index::open(data("index"), std::uint64_t{64} << 20);
      ASSERT_TRUE(index.ok());
      use(**index);
    }
    harness_.open_again();
  }
  void put_note(const store::ScrubNote& note) {
    with_index([&](store::Index& index) {
      auto txn = index.write();
      ASSERT_TRUE(txn->put_note(store::Index::kScrubNote, encode(note)).ok());
      ASSERT_TRUE(txn->commit().ok());
    });
  }
  store::ScrubNote note() {
    store::ScrubNote found;
    with_index([&](store::Index& index) {
      found = *store::decode_scrub(index.read()->find_note(store::Index::kScrubNote)->value());
    });
    return found;
  }
  std::vector<oci::Digest> add_blobs(unsigned count) {
    std::vector<oci::Digest> digests;
    for (unsigned i = 1; i <= count; ++i) digests.push_back(add_blob(blob(i)));
    std::sort(digests.begin(), digests.end());  // The order of the index.
    return digests;
  }
};

TEST_F(ScrubTest, SoundBlobsStay) {
  const auto digests = add_blobs(3);
  verify();
  const cache::ScrubStatus status = operator_store().scrub();
  EXPECT_EQ(status.checked_blobs, 3u);
  EXPECT_EQ(status.checked_bytes, 60'000u);
  EXPECT_EQ(status.bad_blobs, 0u);
  EXPECT_EQ(status.last_ended, harness_.clock().wall_now());
  EXPECT_EQ(counters().scrubbed_bytes, 60'000u);
  for (const oci::Digest& digest : digests) EXPECT_TRUE(has(digest));
}

TEST_F(ScrubTest, ABlobWithAFlippedByteIsReportedAndQuarantined) {
  const TestManifest image = make_manifest("config", {blob(1)});
  const auto digest = add_blob(blob(1));
  const auto sound = add_blob(blob(2));
  add_manifest(image);
  add_tag("t", image.digest);
  std::vector<std::pair<oci::Digest, std::optional<cache::TagKey>>> reports;
  harness_.store().on_damaged([&](const auto& bad, const auto& user) {
    EXPECT_FALSE(has(bad)) << "the blob is out of service before the report";
    reports.emplace_back(bad, user);
  });
  const auto reading = store().open_blob(digest);
  flip_byte(published_path(digest));
  EXPECT_FALSE(reading->file->revoked());
  verify();
  EXPECT_TRUE(reading->file->revoked());
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports[0].first, digest);
  EXPECT_EQ(reports[0].second, key("t"));
  EXPECT_EQ(operator_store().scrub().bad_blobs, 1u);
  EXPECT_EQ(counters().damaged_blobs, 1u);
  EXPECT_FALSE(fs::exists(published_path(digest)));
  EXPECT_TRUE(fs::exists(quarantine_path(digest)));
  EXPECT_EQ(store().usage().blobs, 1u);
  EXPECT_TRUE(has(sound));

  add_blob(blob(1));
  const auto again = store().open_blob(digest);
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->file->revoked());
  EXPECT_TRUE(read_all(again->file->fd()) == blob(1));
}

TEST_F(ScrubTest, ACheckOfOneBlobSetsADamagedBlobAside) {
  const auto digest = add_blob(blob(1));
  const auto reading = store().open_blob(digest);
  bool reported = false;
  harness_.store().on_damaged([&](const auto& bad, const auto&) { reported = bad == digest; });
  flip_byte(published_path(digest));
  store().check_blob(digest);
  store().check_blob(digest);
  turn_until([&] { return reported; });
  EXPECT_TRUE(reading->file->revoked());
  EXPECT_TRUE(fs::exists(quarantine_path(digest)));
  EXPECT_EQ(counters().damaged_blobs, 1u);
  EXPECT_TRUE(fill(blob(1)).published());
  EXPECT_TRUE(stored(digest) == blob(1));
}

TEST_F(ScrubTest, ASoundBlobIsCheckedOnceInTenMinutes) {
  const auto digests = add_blobs(2);
  const auto check = [&](const oci::Digest& digest, std::uint64_t then) {
    store().check_blob(digest);
    turn_until([&] { return counters().scrubbed_bytes >= then; });
    EXPECT_EQ(counters().scrubbed_bytes, then);
  };
  check(digests[0], 20'000);
  check(digests[0], 20'000);
  check(digests[1], 40'000);
  harness_.clock().advance(std::chrono::minutes(10));
  check(digests[0], 60'000);
}

TEST_F(ScrubTest, ACheckOfABlobThatIsNotStoredDoesNothing) {
  store().check_blob(oci::Digest::of("nothing"));
  const auto digest = add_blob(blob(1));
  store().check_blob(digest);
  turn_until([&] { return counters().scrubbed_bytes == 20'000; });
  EXPECT_EQ(counters().damaged_blobs, 0u);
}

TEST_F(ScrubTest, ADamagedBlobWithoutATagIsReportedWithoutATag) {
  const auto digest = add_blob(blob(1));
  bool reported = false;
  harness_.store().on_damaged([&](const auto& bad, const auto& user) {
    EXPECT_EQ(bad, digest);
    EXPECT_FALSE(user);
    reported = true;
  });
  flip_byte(published_path(digest));
  verify();
  EXPECT_TRUE(reported);
}

TEST_F(ScrubTest, TheDamageCallbackMayBeginAnotherPass) {
  const auto digests = add_blobs(3);
  int reports = 0;
  harness_.store().on_damaged([&](const auto&, const auto&) {
    ++reports;
    operator_store().verify();
  });
  for (const oci::Digest& digest : digests) flip_byte(published_path(digest));
  verify();
  EXPECT_EQ(reports, 3);
  EXPECT_EQ(store().usage().blobs, 0u);
}

TEST_F(ScrubTest, ABlobOfSeveralPiecesIsReadWhole) {
  const std::string bytes = some_bytes(9'000'000, 3);
  const auto digest = add_blob(bytes);
  verify();
  EXPECT_EQ(operator_store().scrub().checked_bytes, bytes.size());
  EXPECT_EQ(operator_store().scrub().bad_blobs, 0u);
  std::fstream(published_path(digest), std::ios::binary | std::ios::in | std::ios::out)
      .seekp(8'999'999)
      .put('x');
  verify();
  EXPECT_EQ(operator_store().scrub().bad_blobs, 1u);
}

TEST_F(ScrubTest, ATruncatedFileIsDamaged) {
  const auto digest = add_blob(blob(1));
  fs::resize_file(published_path(digest), 100);
  verify();
  EXPECT_EQ(operator_store().scrub().bad_blobs, 1u);
  EXPECT_FALSE(has(digest));
}

TEST_F(ScrubTest, ARecordWithoutAFileIsDropped) {
  const auto digests = add_blobs(2);
  fs::remove(published_path(digests[0]));
  verify();
  EXPECT_EQ(operator_store().scrub().bad_blobs, 0u);
  turn_until([&] { return store().usage().blobs == 1; });
  EXPECT_FALSE(fs::exists(data("quarantine")));
}

TEST_F(ScrubTest, QuarantineKeepsTheLastSixteenFiles) {
  std::vector<oci::Digest> digests;
  for (unsigned i = 1; i <= 18; ++i) {
    digests.push_back(add_blob(blob(i)));
    flip_byte(published_path(digests.back()));
    if (i >= 16) verify();
  }
  EXPECT_EQ(files_in(data("quarantine")), 16u);
  EXPECT_TRUE(fs::exists(quarantine_path(digests[17])));
  EXPECT_TRUE(fs::exists(quarantine_path(digests[16])));
}

TEST_F(ScrubTest, ASecondVerifyBeginsThePassAgain) {
  add_blobs(5);
  operator_store().verify();
  turn_until([&] { return operator_store().scrub().checked_blobs > 0; });
  operator_store().verify();
  EXPECT_EQ(operator_store().scrub().checked_blobs, 0u);
  wait_for_end();
  EXPECT_EQ(operator_store().scrub().checked_blobs, 5u);
}

TEST_F(ScrubTest, APassResumesAfterARestart) {
  const auto digests = add_blobs(6);
  const WallTime began = harness_.clock().wall_now() - hours(3);
  put_note({began, std::nullopt, digests[3]});
  turn_until([&] { return operator_store().scrub().last_ended.has_value(); });
  EXPECT_EQ(operator_store().scrub().checked_blobs, 2u);
  EXPECT_FALSE(operator_store().scrub().on_demand);
}

TEST_F(ScrubTest, ACleanStopSavesThePositionOfThePass) {
  const auto digests = add_blobs(5);
  harness_.change_options([](store::Options& options) { options.scrub_rate = 200'000; });
  put_note({harness_.clock().wall_now(), std::nullopt, digests[0]});
  turn_until([&] { return operator_store().scrub().checked_blobs >= 1; });
  harness_.change_options(nullptr);
  ASSERT_EQ(operator_store().scrub().checked_blobs, 1u) << "a blob takes a tenth of a second";
  EXPECT_EQ(note().last, digests[1]);
}

TEST_F(ScrubTest, APassBeginsWhenThePeriodIsOver) {
  add_blobs(1);
  const WallTime now = harness_.clock().wall_now();
  const WallTime ended = now - hours(24 * 29);
  put_note({ended, ended, std::nullopt});
  turn_until([&] { return operator_store().scrub().last_ended.has_value(); });
  EXPECT_EQ(operator_store().scrub().last_ended, ended) << "the period isn't over yet";
  EXPECT_FALSE(operator_store().scrub().running);

  put_note({now - hours(24 * 31), now - hours(24 * 31), std::nullopt});
  turn_until([&] { return operator_store().scrub().last_ended == now; });
  EXPECT_EQ(operator_store().scrub().checked_blobs, 1u);
  EXPECT_EQ(note().ended, now);
}

TEST_F(ScrubTest, WithoutAPeriodPassesRunOnDemandOnly) {
  harness_.change_options(
      [](store::Options& options) { options.scrub_every = std::chrono::milliseconds(0); });
  const WallTime now = harness_.clock().wall_now();
  put_note({now - hours(24 * 365), std::nullopt, std::nullopt});
  add_blobs(1);
  verify();
  EXPECT_EQ(operator_store().scrub().last_ended, now);
}

// The fake clock doesn't move, so the test measures the pace in real time.
TEST_F(ScrubTest, ThePaceFollowsTheOptionsExceptOnDemand) {
  const auto digests = add_blobs(2);
  harness_.change_options([](store::Options& options) { options.scrub_rate = 200'000; });
  const auto began = std::chrono::steady_clock::now();
  put_note({harness_.clock().wall_now(), std::nullopt, oci::Digest::of("nothing")});
  put_note({harness_.clock().wall_now(), std::nullopt, digests[0]});
  turn_until([&] { return operator_store().scrub().last_ended.has_value(); });
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(90));
  harness_.change_options([](store::Options& options) { options.scrub_rate = 1; });
  harness_.reopen();
  verify();
  EXPECT_EQ(operator_store().scrub().checked_blobs, 2u);
}

TEST_F(ScrubTest, TheStoreMayBeDestroyedDuringACheck) {
  add_blobs(3);
  for (int i = 0; i < 10; ++i) {
    operator_store().verify();
    if (i % 2 == 0) turn_until([&] { return operator_store().scrub().checked_blobs > 0; });
    harness_.reopen();
  }
  verify();
  EXPECT_EQ(operator_store().scrub().bad_blobs, 0u);
}

// A scrub alone, over an index whose reading can be made to fail.
class ScrubOfIndexTest : public CoreTest {
 protected:
  void SetUp() override {
    CoreTest::SetUp();
    change([](store::WriteTxn& txn) { return txn.erase_note(store::Index::kRebuildNote); });
    index().note_rebuilt();
    listener_ = events_.listen([this](const events::Event& event) {
      if (std::holds_alternative<events::ScrubEnded>(event)) ++whole_passes_;
    });
  }
  void TearDown() override {
    scrub_.reset();
    readers_.clear();
    CoreTest::TearDown();
  }
  void make_scrub(std::chrono::milliseconds retry_after) {
    store::ScrubOptions options;
    options.retry_after = retry_after;
    scrub_.emplace(
        options, store::Scrub::Context{core_, *workers_, clock_,
                                       [](const auto&, std::uint64_t, const auto& then) { then(); },
                                       [](const oci::Digest&) {}});
  }
  // Takes all readers that the index allows, so that the next snapshot fails.
  void take_all_readers() {
    while (auto txn = index().snapshot()) readers_.push_back(*std::move(txn));
  }
  std::optional<store::ScrubNote> note() {
    const auto found = index().read()->find_note(store::Index::kScrubNote);
    if (!found || !found->has_value()) return std::nullopt;
    return *store::decode_scrub(**found);
  }
  void wait_for_commits() {
    bool done = false;
    core_->commits->add([](store::WriteTxn&) { return Status(); },
                        [&](const Status&) { done = true; });
    turn_until([&] { return done; });
  }

  std::optional<store::Scrub> scrub_;
  std::vector<store::ReadTxn> readers_;
  Handle listener_;
  int whole_passes_ = 0;
};

TEST_F(ScrubOfIndexTest, APassThatCannotReadTheIndexIsNoWholePass) {
  add_blob("one");
  make_scrub(hours(1));
  take_all_readers();

  scrub_->run_now();
  turn_until([&] { return counters_.store_errors == 1; });

  EXPECT_TRUE(scrub_->status().running) << "it will begin again";
  EXPECT_FALSE(scrub_->status().last_ended);
  EXPECT_EQ(whole_passes_, 0);
  wait_for_commits();
  EXPECT_FALSE(note());
}

TEST_F(ScrubOfIndexTest, AFailedPassBeginsAgain) {
  add_blob("one");
  add_blob("two");
  make_scrub(std::chrono::milliseconds(1));
  take_all_readers();

  scrub_->run_now();
  turn_until([&] { return counters_.store_errors >= 1; });
  readers_.clear();
  turn_until([&] { return !scrub_->status().running; });

  EXPECT_EQ(scrub_->status().checked_blobs, 2u);
  EXPECT_EQ(scrub_->status().last_ended, clock_.wall_now());
  EXPECT_EQ(whole_passes_, 1);
}

TEST_F(ScrubOfIndexTest, AFailedPassBeginsAgainAtOnceOnDemand) {
  add_blob("one");
  make_scrub(hours(1));
  take_all_readers();
  scrub_->run_now();
  turn_until([&] { return counters_.store_errors == 1; });
  readers_.clear();

  scrub_->run_now();
  turn_until([&] { return !scrub_->status().running; });

  EXPECT_EQ(scrub_->status().checked_blobs, 1u);
}

TEST_F(ScrubOfIndexTest, ANoteThatCannotBeReadIsKept) {
  const WallTime ended = clock_.wall_now() - hours(3);
  change([&](store::WriteTxn& txn) {
    return txn.put_note(store::Index::kScrubNote, encode(store::ScrubNote{ended, ended, {}}));
  });
  make_scrub(hours(1));
  take_all_readers();

  scrub_->start();
  turn_until([&] { return counters_.store_errors == 1; });
  wait_for_commits();

  ASSERT_TRUE(note());
  EXPECT_EQ(note()->ended, ended);
}

}  // namespace
}  // namespace layby::testing
