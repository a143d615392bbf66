// SPDX-License-Identifier: Apache-2.0
//
// Making room: which content is evicted first, which content stays, and that the disk gets its
// bytes back. Also crashes and fills in the middle of an eviction.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "layby/base/fd.h"
#include "store/disk_faults.h"
#include "store/disk_store_test.h"
#include "store/index.h"

namespace layby::testing {
namespace {

constexpr std::size_t kBlobBytes = 100'000;

std::string blob(unsigned number) { return some_bytes(kBlobBytes, number); }

class EvictionTest : public DiskTest {
 protected:
  std::vector<oci::Digest> add_blobs(unsigned count) {
    std::vector<oci::Digest> digests;
    for (unsigned i = 0; i < count; ++i) digests.push_back(add_blob(blob(i + 1)));
    return digests;
  }
  // Adds an image with a config and one layer.
  TestManifest add_image(const std::string& tag, unsigned number) {
    const TestManifest manifest = make_manifest("config of " + tag, {blob(number)});
    add_blob("config of " + tag);
    add_blob(blob(number));
    add_manifest(manifest);
    add_tag(tag, manifest.digest);
    return manifest;
  }
  // Writes a usage record that doesn't parse.
  void damage_usage(const store::Content& content) {
    harness_.close();
    {
      MDB_env* raw = nullptr;
      ASSERT_EQ(mdb_env_create(&raw), 0);
      const store::EnvPtr env(raw);
      mdb_env_set_maxdbs(raw, 16);
      ASSERT_EQ(mdb_env_open(raw, data("index").c_str(), 0, 0640), 0);
      MDB_txn* txn = nullptr;
      MDB_dbi table = 0;
      ASSERT_EQ(mdb_txn_begin(raw, nullptr, 0, &txn), 0);
      ASSERT_EQ(mdb_dbi_open(txn, "usage", 0, &table), 0);
      const std::string name = store::content_key(content);
      MDB_val key = store::to_val(name);
      MDB_val value = store::to_val("short");
      ASSERT_EQ(mdb_put(txn, table, &key, &value, 0), 0);
      ASSERT_EQ(mdb_txn_commit(txn), 0);
    }
    harness_.open_again();
  }
  std::size_t trash() {
    harness_.close();
    auto index = store::Index::open(data("index"), std::uint64_t{64} << 20);
    std::size_t count = 0;
    EXPECT_TRUE((*index)->read()->each_trash([&](const auto&) { return ++count > 0; }).ok());
    index->reset();
    harness_.open_again();
    return count;
  }
};

TEST_F(EvictionTest, TheLeastUsedBlobIsEvictedFirst) {
  const auto digests = add_blobs(3);
  store().touch_blob(digests[0]);
  store().touch_blob(digests[2]);
  let_time_pass();
  const cache::EvictedSum evicted = evict(1);
  EXPECT_EQ(evicted.blobs, 1u);
  EXPECT_EQ(evicted.blob_bytes, kBlobBytes);
  EXPECT_TRUE(has(digests[0]));
  EXPECT_FALSE(has(digests[1]));
  EXPECT_TRUE(has(digests[2]));
}

TEST_F(EvictionTest, AFavouriteThatIsNotUsedAgainIsEvictedInTheEnd) {
  const oci::Digest favourite = add_blob(some_bytes(kBlobBytes, 99));
  store().touch_blob(favourite);
  // Each eviction raises the clock of the ranks.
  unsigned number = 1;
  for (; number < 40 && has(favourite); ++number) {
    add_blob(blob(number));
    let_time_pass();
    evict(1);
  }
  EXPECT_GT(number, 3u) << "the second use keeps the blob for a while";
  EXPECT_LT(number, 40u);
}

TEST_F(EvictionTest, EvictionFreesTheDiskAndUpdatesTheFigures) {
  add_blobs(5);
  let_time_pass();
  const cache::EvictedSum evicted = evict(3 * kBlobBytes);
  EXPECT_EQ(evicted.blobs, 3u);
  EXPECT_EQ(evicted.blob_bytes, 3 * kBlobBytes);
  EXPECT_EQ(blob_files(), 2u);
  EXPECT_EQ(store().usage().blobs, 2u);
  EXPECT_EQ(store().usage().blob_bytes, 2 * kBlobBytes);
  EXPECT_EQ(counters().evicted_blobs, 3u);
  EXPECT_EQ(counters().evicted_bytes, 3 * kBlobBytes);
  EXPECT_EQ(trash(), 0u);
}

TEST_F(EvictionTest, SparedImagesAndContentUsedSinceStay) {
  const TestManifest image = add_image("spared", 1);
  add_image("other", 2);
  let_time_pass();
  const WallTime since = harness_.clock().wall_now() - std::chrono::minutes(1);
  const oci::Digest used = add_blob(blob(3));
  const oci::Digest touched = oci::Digest::of(blob(2));
  store().touch_blob(touched);
  let_time_pass();
  const auto sum = answer<cache::EvictedSum>([&](auto done) {
    store().evict(UINT64_MAX, cache::Spare{{image.digest}, since}, done);
  });
  EXPECT_EQ(sum->blobs, 1u) << "the other image's config";
  EXPECT_TRUE(has(image));
  for (const oci::Digest& digest : {used, touched, oci::Digest::of(blob(1))}) {
    EXPECT_TRUE(has(digest));
  }
  EXPECT_EQ(evict(UINT64_MAX).blobs, 4u) << "the next eviction spares nothing";
}

TEST_F(EvictionTest, UsedBlobsAreFoundBeforeAndAfterTheirUseIsWritten) {
  const auto digests = add_blobs(3);
  let_time_pass();
  const WallTime since = harness_.clock().wall_now() - std::chrono::minutes(1);
  store().touch_blob(digests[1]);
  using Used = cache::Store::UsedBlobs;
  for (int i = 0; i < 2; ++i) {
    Handle handle;
    const auto found =
        answer<Used>([&](auto done) { handle = store().find_used(since, std::move(done)); });
    EXPECT_EQ(*found, (Used{{digests[1], kBlobBytes}}));
    harness_.reopen();
  }
}

TEST_F(EvictionTest, EverythingIsEvictedOnRequest) {
  add_image("t", 1);
  let_time_pass();
  const cache::EvictedSum evicted = evict(UINT64_MAX);
  EXPECT_EQ(evicted.blobs, 2u);
  EXPECT_EQ(evicted.manifests, 1u);
  EXPECT_EQ(blob_files(), 0u);
  EXPECT_EQ(store().usage().blob_bytes, 0u);
  EXPECT_EQ(store().usage().manifest_bytes, 0u);
}

TEST_F(EvictionTest, ALargeEvictionTakesSeveralSteps) {
  for (int i = 0; i < 300; ++i) {
    const oci::Digest digest = oci::Digest::of(std::to_string(i));
    store().put_manifest(digest, {std::make_shared<const std::string>(std::to_string(i)), "m"},
                         nullptr);
  }
  add_blobs(1);
  let_time_pass();
  const cache::EvictedSum evicted = evict(UINT64_MAX);
  EXPECT_EQ(evicted.manifests, 300u);
  EXPECT_EQ(evicted.blobs, 1u);
}

TEST_F(EvictionTest, AnEmptyRequestOrAnEmptyStoreEvictsNothing) {
  EXPECT_EQ(evict(1000).blobs, 0u);
  add_blobs(1);
  let_time_pass();
  EXPECT_EQ(evict(0).blobs, 0u);
  EXPECT_EQ(blob_files(), 1u);
}

TEST_F(EvictionTest, ABlobThatIsBeingReadStays) {
  const auto digests = add_blobs(3);
  let_time_pass();
  const auto reading = store().open_blob(digests[1]);
  EXPECT_EQ(evict(UINT64_MAX).blobs, 2u);
  EXPECT_TRUE(has(digests[1]));
  EXPECT_TRUE(read_all(reading->file->fd()) == blob(2));
}

TEST_F(EvictionTest, RecentlyUsedBlobsAreEvictedLast) {
  const auto digests = add_blobs(2);
  let_time_pass();
  store().touch_blob(digests[0]);
  store().touch_blob(digests[0]);
  const oci::Digest fresh = add_blob(blob(9));  // Its rank is the lowest.
  EXPECT_EQ(evict(1).blobs, 1u);
  EXPECT_FALSE(has(digests[1]));
  EXPECT_TRUE(has(fresh));
  EXPECT_EQ(evict(2 * kBlobBytes).blobs, 2u) << "recently used blobs go when nothing else is left";
}

TEST_F(EvictionTest, APinnedTagKeepsItsImage) {
  const TestManifest image = add_image("t", 1);
  const auto other = add_blob(blob(7));
  EXPECT_FALSE(pin("t"));
  EXPECT_TRUE(pin("t")) << "the tag was pinned before";
  let_time_pass();
  evict(UINT64_MAX);
  EXPECT_TRUE(has(image));
  EXPECT_TRUE(has(oci::Digest::of(blob(1))));
  EXPECT_TRUE(has(oci::Digest::of("config of t")));
  EXPECT_FALSE(has(other));
  EXPECT_TRUE(unpin("t"));
  EXPECT_FALSE(unpin("t"));
  evict(UINT64_MAX);
  EXPECT_FALSE(has(image));
  EXPECT_EQ(blob_files(), 0u);
}

TEST_F(EvictionTest, APinOfADigestKeepsItsImage) {
  const TestManifest image = add_image("t", 1);
  pin(image.digest.str());
  let_time_pass();
  evict(UINT64_MAX);
  EXPECT_TRUE(has(image));
  EXPECT_TRUE(has(oci::Digest::of(blob(1))));
}

TEST_F(EvictionTest, APinOfAnIndexKeepsItsPlatforms) {
  const TestManifest amd64 = make_manifest("config a", {blob(1), blob(2)});
  const TestManifest arm64 = make_manifest("config b", {blob(2), blob(3)});
  const TestManifest index = make_index({{amd64, "amd64"}, {arm64, "arm64"}});
  for (const TestManifest& manifest : {amd64, index}) add_manifest(manifest);  // Without arm64.
  for (unsigned number : {1, 2, 3, 4}) add_blob(blob(number));
  add_tag("t", index.digest);
  pin("t");
  let_time_pass();
  evict(UINT64_MAX);
  EXPECT_TRUE(has(index));
  EXPECT_TRUE(has(amd64));
  EXPECT_TRUE(has(oci::Digest::of(blob(1))));
  EXPECT_TRUE(has(oci::Digest::of(blob(2))));
  EXPECT_FALSE(has(oci::Digest::of(blob(3)))) << "no stored manifest names it";
}

TEST_F(EvictionTest, APinFollowsItsTag) {
  const TestManifest old_image = add_image("t", 1);
  pin("t");
  const TestManifest new_image = make_manifest("config of t", {blob(2)});
  add_blob(blob(2));
  add_manifest(new_image);
  add_tag("t", new_image.digest);
  let_time_pass();
  evict(UINT64_MAX);
  EXPECT_FALSE(has(old_image));
  EXPECT_FALSE(has(oci::Digest::of(blob(1))));
  EXPECT_TRUE(has(new_image));
  EXPECT_TRUE(has(oci::Digest::of(blob(2))));
}

TEST_F(EvictionTest, PinsSurviveARestart) {
  const TestManifest image = add_image("t", 1);
  pin("t");
  harness_.reopen();
  let_time_pass();
  evict(UINT64_MAX);
  EXPECT_TRUE(has(image));
}

TEST_F(EvictionTest, EvictingAnImageRemovesContentThatNothingElseNeeds) {
  const TestManifest a = make_manifest("config a", {blob(1), blob(2)});
  const TestManifest b = make_manifest("config b", {blob(2), blob(3)});
  for (const TestManifest& manifest : {a, b}) add_manifest(manifest);
  for (unsigned number : {1, 2, 3}) add_blob(blob(number));
  add_blob("config a");
  add_tag("a", a.digest);
  add_tag("b", b.digest);
  const auto evicted = evict_image("a");
  EXPECT_EQ(evicted->blobs, 2u);
  EXPECT_EQ(evicted->blob_bytes, kBlobBytes + std::strlen("config a"));
  EXPECT_EQ(evicted->manifests, 1u);
  EXPECT_FALSE(store().find_tag(key("a")));
  EXPECT_FALSE(has(a));
  EXPECT_FALSE(has(oci::Digest::of(blob(1))));
  EXPECT_TRUE(has(b));
  EXPECT_TRUE(has(oci::Digest::of(blob(2))));
  EXPECT_EQ(blob_files(), 2u);
  EXPECT_EQ(evict_image("b")->blobs, 2u);
  EXPECT_EQ(blob_files(), 0u);
}

TEST_F(EvictionTest, EvictingATagKeepsAnImageThatAnotherTagNames) {
  const TestManifest image = add_image("a", 1);
  add_tag("b", image.digest);
  EXPECT_EQ(evict_image("a")->blobs, 0u);
  EXPECT_FALSE(store().find_tag(key("a")));
  EXPECT_TRUE(has(image));
  EXPECT_EQ(evict_image("b")->blobs, 2u);
}

TEST_F(EvictionTest, EvictingAnImageKeepsContentThatAPinNeeds) {
  const TestManifest image = add_image("a", 1);
  pin(image.digest.str());
  EXPECT_EQ(evict_image("a")->blobs, 0u);
  EXPECT_TRUE(has(image));
}

TEST_F(EvictionTest, AnUntaggedImageIsEvictedByItsDigest) {
  const TestManifest image = make_manifest("config", {blob(1)});
  add_manifest(image);
  add_blob(blob(1));
  EXPECT_EQ(evict_image(image.digest.str())->blobs, 1u);
  EXPECT_FALSE(has(image));
  EXPECT_EQ(evict_image(image.digest.str()).error().code, ErrorCode::kNotFound);
}

TEST_F(EvictionTest, EvictingAnImageKeepsContentOfAnImageWithoutATag) {
  const TestManifest a = make_manifest("config a", {blob(1), blob(2)});
  const TestManifest b = make_manifest("config b", {blob(2)});
  const TestManifest index = make_index({{b, "amd64"}});
  for (const TestManifest& manifest : {a, b, index}) add_manifest(manifest);
  for (unsigned number : {1, 2}) add_blob(blob(number));
  add_tag("a", a.digest);
  EXPECT_EQ(evict_image("a")->blobs, 1u);
  EXPECT_TRUE(has(oci::Digest::of(blob(2))));
  EXPECT_EQ(evict_image(index.digest.str())->manifests, 2u);
  EXPECT_EQ(blob_files(), 0u);
}

TEST_F(EvictionTest, AnUnknownImageIsNotFoundAndAPinnedOneIsDenied) {
  EXPECT_EQ(evict_image("t").error().code, ErrorCode::kNotFound);
  add_image("t", 1);
  pin("t");
  const auto evicted = evict_image("t");
  EXPECT_EQ(evicted.error().code, ErrorCode::kDenied);
  EXPECT_NE(evicted.error().message.find("unpin"), std::string::npos);
  EXPECT_TRUE(store().find_tag(key("t")));
}

TEST_F(EvictionTest, AnEvictedBlobCanBeStoredAgain) {
  const auto digest = add_blob(blob(1));
  let_time_pass();
  for (int round = 0; round < 3; ++round) {
    evict(UINT64_MAX);
    EXPECT_FALSE(has(digest));
    EXPECT_EQ(write(digest, blob(1)).kept, 0u);
    EXPECT_TRUE(stored(digest) == blob(1));
    let_time_pass();
  }
  EXPECT_EQ(counters().store_errors, 0u);
}

TEST_F(EvictionTest, AFillDuringAnEvictionPublishesItsBlob) {
  const auto digest = add_blob(blob(1));
  for (int round = 0; round < 30; ++round) {
    let_time_pass();
    bool evicted = false;
    WriterLog log;
    std::unique_ptr<cache::BlobWriter> writer;
    if (round % 2 == 0) writer = store().write_blob(digest, log);
    store().evict(UINT64_MAX, [&](const auto&) { evicted = true; });
    if (round % 3 == 0) harness_.loop().defer([] {});
    if (!writer) writer = store().write_blob(digest, log);
    turn_until([&] { return log.ready(); });
    if (*log.kept < kBlobBytes) writer->append(blob(1).substr(*log.kept));
    writer->finish();
    turn_until([&] { return log.ended() && evicted; });
    ASSERT_TRUE(log.published()) << log.error->message;
    writer.reset();
    // The blob is missing if the eviction came after the fill.
    if (has(digest)) {
      EXPECT_TRUE(stored(digest) == blob(1));
    } else {
      add_blob(blob(1));
    }
    ASSERT_EQ(blob_files(), 1u);
    ASSERT_EQ(store().usage().blobs, 1u);
  }
}

TEST_F(EvictionTest, AnEvictedFileThatAFillHeldIsDeletedAtTheNextStart) {
  const auto digest = add_blob(blob(1));
  let_time_pass();
  WriterLog log;
  auto writer = store().write_blob(digest, log);
  turn_until([&] { return log.ready(); });
  EXPECT_EQ(evict(UINT64_MAX).blobs, 1u);
  EXPECT_TRUE(fs::exists(published_path(digest)));
  writer.reset();
  harness_.reopen();
  turn_until([&] { return !fs::exists(published_path(digest)); });
  EXPECT_FALSE(has(digest));
}

TEST_F(EvictionTest, OldPartialFilesAreDeletedWhenNothingElseCanGo) {
  const std::string bytes = blob(1);
  const oci::Digest digest = oci::Digest::of(bytes);
  WriterLog log;
  auto writer = store().write_blob(digest, log);
  writer->append(bytes.substr(0, 5000));
  turn_until([&] { return log.written == 5000; });
  EXPECT_EQ(store().usage().partial_bytes, 5000u);
  harness_.clock().set_wall(std::chrono::system_clock::now() + std::chrono::hours(1));
  evict(1);
  EXPECT_TRUE(fs::exists(partial_path(digest))) << "a writer has it";
  writer.reset();
  evict(1);
  EXPECT_FALSE(fs::exists(partial_path(digest)));
  EXPECT_EQ(store().usage().partial_bytes, 0u);
}

TEST_F(EvictionTest, QuarantineIsClearedWhenNothingElseCanGo) {
  fs::create_directories(data("quarantine"));
  std::ofstream(data("quarantine/sha256-x")) << "damaged";
  add_blobs(1);
  let_time_pass();
  evict(1);
  EXPECT_EQ(files_in(data("quarantine")), 1u);
  evict(UINT64_MAX);
  EXPECT_EQ(files_in(data("quarantine")), 0u);
}

// A crash between the commit and the deletion leaves such trash.
TEST_F(EvictionTest, TrashOfAnEarlierRunIsDeletedAtStart) {
  const auto digests = add_blobs(2);
  harness_.close();
  {
    auto index = store::Index::open(data("index"), std::uint64_t{64} << 20);
    auto txn = (*index)->write();
    ASSERT_TRUE(txn->trash_blob(digests[0]).ok());
    ASSERT_TRUE(txn->commit().ok());
  }
  harness_.open_again();
  WriterLog log;  // The writer's work on the blob comes after the deletion.
  auto writer = store().write_blob(digests[0], log);
  turn_until([&] { return log.ready(); });
  writer.reset();
  EXPECT_FALSE(fs::exists(published_path(digests[0])));
  EXPECT_TRUE(has(digests[1]));
  EXPECT_EQ(counters().evicted_blobs, 0u) << "the earlier run evicted it";
  EXPECT_EQ(trash(), 0u);
}

TEST_F(EvictionTest, AFileThatCannotBeDeletedStaysTrash) {
  // Waits for the end of the rebuild of the new index, because the rebuild could find the evicted
  // blob's file.
  turn_until([&] { return !operator_store().scrub().running; });
  const auto digest = add_blob(blob(1));
  let_time_pass();
  // The store can't unlink a folder in the place of the file. The store can't move the folder
  // either, because a file is in the place of the quarantine.
  std::ofstream(data("quarantine")) << "no folder";
  fs::remove(published_path(digest));
  fs::create_directories(published_path(digest) + "/x");
  EXPECT_EQ(evict(UINT64_MAX).blobs, 1u);
  EXPECT_EQ(trash(), 1u);
}

TEST_F(EvictionTest, TrashNotesStayUntilTheDeletionIsDurable) {
  add_blobs(1);
  let_time_pass();
  {
    const DiskFault fault(DiskCall::kSyncFolder, "/blobs/", EIO);
    EXPECT_EQ(evict(UINT64_MAX).blobs, 1u);
    harness_.close();
    EXPECT_GT(fault.hits(), 0);
    harness_.open_again();
  }
  EXPECT_EQ(blob_files(), 0u);
}

TEST_F(EvictionTest, ABlobWithADamagedUsageRecordIsEvicted) {
  const auto digests = add_blobs(2);
  damage_usage({store::ContentKind::kBlob, digests[0]});
  let_time_pass();
  const cache::EvictedSum evicted = evict(UINT64_MAX);
  EXPECT_EQ(evicted.blobs, 2u);
  EXPECT_EQ(evicted.blob_bytes, 2 * kBlobBytes);
  EXPECT_EQ(blob_files(), 0u);
}

TEST_F(EvictionTest, AManifestWithADamagedUsageRecordIsEvicted) {
  const TestManifest image = add_image("t", 1);
  damage_usage({store::ContentKind::kManifest, image.digest});
  let_time_pass();
  EXPECT_EQ(evict(UINT64_MAX).manifests, 1u);
  EXPECT_FALSE(has(image));
}

TEST_F(EvictionTest, ADamagedUsageRecordLosesNothingBeforeItsTurn) {
  const auto digests = add_blobs(2);
  store().touch_blob(digests[0]);
  harness_.reopen();  // Writes the blob's use.
  damage_usage({store::ContentKind::kBlob, digests[0]});
  let_time_pass();
  EXPECT_EQ(evict(1).blobs, 1u);
  EXPECT_TRUE(has(digests[0])) << "its rank still counts";
  EXPECT_FALSE(has(digests[1]));
}

TEST_F(EvictionTest, EvictingAnImageRemovesABlobWithADamagedUsageRecord) {
  add_image("t", 1);
  damage_usage({store::ContentKind::kBlob, oci::Digest::of(blob(1))});
  EXPECT_EQ(evict_image("t")->blobs, 2u);
  EXPECT_EQ(blob_files(), 0u);
}

TEST_F(EvictionTest, TouchesSurviveACleanStopAndCountInTheNextEviction) {
  const auto digests = add_blobs(2);
  store().touch_blob(digests[0]);
  harness_.reopen();
  let_time_pass();
  EXPECT_EQ(evict(1).blobs, 1u);
  EXPECT_TRUE(has(digests[0]));
  EXPECT_FALSE(has(digests[1]));
}

TEST_F(EvictionTest, AUseOfAnImagesManifestCountsForItsBlobs) {
  const TestManifest image = add_image("t", 1);
  const oci::Digest other = add_blob(blob(2));
  store().touch_manifest(image.digest);
  let_time_pass();
  EXPECT_EQ(evict(1).blobs, 1u);
  EXPECT_FALSE(has(other));
  EXPECT_TRUE(has(oci::Digest::of(blob(1))));
  EXPECT_TRUE(has(oci::Digest::of("config of t")));
}

TEST_F(EvictionTest, ADestroyedStoreDropsItsCallbacksAndFreesTheFolder) {
  add_blobs(3);
  let_time_pass();
  bool answered = false;
  store().evict(UINT64_MAX, [&](const auto&) { answered = true; });
  operator_store().list_images([&](const auto&) { answered = true; });
  operator_store().pin(key("t"), [&](const auto&) { answered = true; });
  harness_.reopen();
  turn_until([&] { return blob_files() == store().usage().blobs; });
  add_blob(blob(9));
  EXPECT_FALSE(answered);
}

[[noreturn]] void fill_and_evict_for_ever(const std::string& data_dir, int report) {
  DiskHarness harness(data_dir);
  for (unsigned number = 1;; ++number) {
    const std::string bytes = some_bytes(20'000, number);
    WriterLog log;
    const auto writer = harness.store().write_blob(oci::Digest::of(bytes), log);
    harness.turn_until([&] { return log.ready(); });
    if (*log.kept < bytes.size()) writer->append(bytes.substr(*log.kept));
    writer->finish();
    harness.turn_until([&] { return log.ended(); });
    if (number % 4 != 0) continue;
    harness.clock().advance(std::chrono::minutes(10));
    bool done = false;
    harness.store().evict(30'000, [&](const auto&) { done = true; });
    harness.turn_until([&] {
      const char byte = 'e';
      if (::write(report, &byte, 1) != 1) std::_Exit(1);
      return done;
    });
  }
}

TEST(EvictionCrash, TheNextStartCleansUpAfterAKillDuringEviction) {
  const TempDir folder;
  const std::string data_dir = folder.path() + "/data";
  for (const int turns : {1, 2, 3, 9, 14, 20}) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      ::close(ends[0]);
      fill_and_evict_for_ever(data_dir, ends[1]);
    }
    ::close(ends[1]);
    const UniqueFd reports(ends[0]);
    char byte = 0;
    for (int i = 0; i < turns; ++i) ASSERT_EQ(::read(reports.get(), &byte, 1), 1);
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));

    DiskHarness harness(data_dir);
    const auto files = [&] {
      return static_cast<std::uint64_t>(
          std::count_if(fs::recursive_directory_iterator(data_dir + "/blobs"), {},
                        [](const auto& entry) { return entry.is_regular_file(); }));
    };
    harness.turn_until([&] { return files() == harness.store().usage().blobs; });
  }
}

// Evictions on a disk that is full to the last page.
class FullDiskEvictionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::mount("tmpfs", folder_.path().c_str(), "tmpfs", 0, "size=4m") != 0) {
      GTEST_SKIP() << "mounting a small disk needs root: " << std::strerror(errno);
    }
    mounted_ = true;
    harness_.emplace(folder_.path() + "/data");
  }
  void TearDown() override {
    harness_.reset();
    if (mounted_) ::umount2(folder_.path().c_str(), MNT_DETACH);
  }
  WriterLog write(const std::string& bytes) {
    WriterLog log;
    const auto writer = harness_->store().write_blob(oci::Digest::of(bytes), log);
    harness_->turn_until([&] { return log.ready(); });
    if (*log.kept < bytes.size()) writer->append(bytes.substr(*log.kept));
    writer->finish();
    harness_->turn_until([&] { return log.ended(); });
    return log;
  }

  TempDir folder_;
  bool mounted_ = false;
  std::optional<DiskHarness> harness_;
};

TEST_F(FullDiskEvictionTest, FilesAreDeletedFirstWhenTheIndexCannotBeWritten) {
  for (unsigned i = 1; i <= 10; ++i) ASSERT_TRUE(write(blob(i)).published());
  harness_->clock().advance(std::chrono::minutes(10));
  const auto free = [&] { return fs::space(folder_.path()).available; };
  for (int i = 0; free() > 0; ++i) {
    std::ofstream(folder_.path() + "/ballast" + std::to_string(i)) << std::string(free(), 'x');
  }
  std::optional<Result<cache::EvictedSum>> evicted;
  harness_->store().evict(3 * kBlobBytes, [&](auto sum) { evicted.emplace(std::move(sum)); });
  harness_->turn_until([&] { return evicted.has_value(); });
  ASSERT_TRUE(evicted->ok()) << evicted->error().message;
  EXPECT_GE((*evicted)->blob_bytes, 3 * kBlobBytes);
  EXPECT_GE(free(), 2 * kBlobBytes);
  EXPECT_EQ(harness_->store().usage().blobs, 7u);
  int readable = 0;
  for (unsigned i = 1; i <= 10; ++i) {
    readable += harness_->store().open_blob(oci::Digest::of(blob(i))).has_value() ? 1 : 0;
  }
  EXPECT_EQ(readable, 7);
  EXPECT_TRUE(write(blob(20)).published());
}

}  // namespace
}  // namespace layby::testing
