// SPDX-License-Identifier: Apache-2.0
//
// Tests a store that has lost its index. The store restores its tags, manifests, pins and grants
// from the ledger, in the state of the last commit. A store that has lost its ledger, or whose
// ledger is damaged, writes the ledger anew from the index.

#include <gtest/gtest.h>

#include <cerrno>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "store/disk_faults.h"
#include "store/disk_store_test.h"

namespace layby::testing {
namespace {

class RestoreTest : public DiskTest {
 protected:
  std::string ledger() const { return data("ledger/changes"); }
  void wait_for_rebuild() {
    turn_until([&] { return !operator_store().scrub().running; });
  }
  void lose_index() {
    harness_.close();
    fs::remove_all(data("index"));
    harness_.open_again();
    wait_for_rebuild();
  }
  void damage_ledger_at(const std::string& bytes) {
    const auto at = content(ledger()).find(bytes);
    ASSERT_NE(at, std::string::npos);
    std::fstream(ledger(), std::ios::binary | std::ios::in | std::ios::out)
        .seekp(static_cast<std::streamoff>(at))
        .put('!');
  }
  // Adds an image of one layer, with its tag.
  TestManifest add_image(const std::string& tag, unsigned seed) {
    const std::string layer = some_bytes(20'000, seed);
    const std::string config = "config " + std::to_string(seed);
    const TestManifest image = make_manifest(config, {layer});
    add_blob(layer);
    add_blob(config);
    add_manifest(image);
    add_tag(tag, image.digest);
    return image;
  }
  // Whether the tag points to the image, and the whole image is stored.
  bool can_pull(const std::string& tag, const TestManifest& image) {
    const auto found = store().find_tag(key(tag));
    if (!found || found->digest != image.digest) return false;
    const auto manifest = store().find_manifest(image.digest);
    return manifest && *manifest->bytes == image.bytes &&
           manifest->media_type == image.media_type &&
           cache::image_parts(store(), image.digest, {}).whole();
  }
  std::set<cache::TagKey> listed() {
    std::set<cache::TagKey> tags;
    for (const auto& image : catalog().images) {
      if (image.listed) tags.insert(image.tag);
    }
    return tags;
  }
  void set_list(const std::vector<std::string>& tags) {
    std::vector<cache::TagKey> keys;
    for (const std::string& tag : tags) keys.push_back(key(tag));
    std::optional<Status> done;
    store().set_list_pins(keys, [&](const Status& status) { done = status; });
    turn_until([&] { return done.has_value(); });
    EXPECT_TRUE(done->ok());
  }
};

TEST_F(RestoreTest, ImagesWithoutATagKeepTheirOrigin) {
  const TestManifest image = make_manifest("config", {"layer"});
  add_manifest(image, "library/b");
  lose_index();
  ASSERT_EQ(catalog().images.size(), 1u);
  EXPECT_EQ(catalog().images[0].tag, (cache::TagKey{"docker.io", "library/b", image.digest.str()}));
}

TEST_F(RestoreTest, EveryImagePullsAfterTheIndexWasDeleted) {
  const TestManifest one = add_image("one", 1);
  const TestManifest two = add_image("two", 2);
  lose_index();
  EXPECT_TRUE(can_pull("one", one));
  EXPECT_TRUE(can_pull("two", two));
  EXPECT_EQ(store().usage().manifests, 2u);
  EXPECT_EQ(store().usage().manifest_bytes, one.bytes.size() + two.bytes.size());
  EXPECT_EQ(store().usage().tags, 2u);
  lose_index();
  EXPECT_TRUE(can_pull("two", two)) << "the ledger is whole again after it was read";
}

TEST_F(RestoreTest, ATagHasItsLastImageAndAnErasedTagStaysErased) {
  add_image("moves", 1);
  const TestManifest now = add_image("moves", 2);
  const TestManifest gone = add_image("gone", 3);
  ASSERT_TRUE(evict_image("gone").ok());
  lose_index();
  EXPECT_TRUE(can_pull("moves", now));
  EXPECT_FALSE(store().find_tag(key("gone")));
  EXPECT_FALSE(has(gone));
}

TEST_F(RestoreTest, PinsOfBothKindsComeBack) {
  add_image("pinned", 1);
  add_image("listed", 2);
  add_image("unlisted", 3);
  pin("pinned");
  pin("unlisted");
  unpin("unlisted");
  set_list({"listed", "unlisted"});
  set_list({"listed"});
  lose_index();
  EXPECT_EQ(listed(), std::set{key("listed")});
  EXPECT_TRUE(pin("pinned"));
  EXPECT_FALSE(pin("unlisted"));
}

TEST_F(RestoreTest, GrantsComeBackAndContentStaysPrivate) {
  const auto digest = oci::Digest::of("private bytes");
  const cache::RepositoryKey mine{"docker.io", "me/mine"};
  const cache::RepositoryKey other{"docker.io", "me/other"};
  harness_.change_options([](store::Options& options) { options.private_after_rebuild = true; });
  harness_.reopen();
  wait_for_rebuild();
  {
    WriterLog log;
    const auto writer = store().write_blob(digest, log);
    store().grant(digest, mine);
    writer->append("private bytes");
    writer->finish();
    turn_until([&] { return log.ended(); });
  }
  lose_index();
  EXPECT_TRUE(has(digest));
  EXPECT_EQ(store().grant_state(digest, mine), cache::GrantState::kGranted);
  EXPECT_EQ(store().grant_state(digest, other), cache::GrantState::kUnknown);
}

TEST_F(RestoreTest, PublicContentStaysPublicOnlyWithACompleteLedger) {
  const cache::RepositoryKey anybody{"docker.io", "library/a"};
  harness_.change_options([](store::Options& options) { options.private_after_rebuild = true; });
  harness_.reopen();
  wait_for_rebuild();
  const TestManifest image = add_image("t", 1);
  const auto layer = oci::Digest::of(some_bytes(20'000, 1));
  lose_index();
  EXPECT_EQ(store().grant_state(layer, anybody), cache::GrantState::kPublic);
  EXPECT_EQ(store().grant_state(image.digest, anybody), cache::GrantState::kPublic);

  harness_.close();
  fs::resize_file(ledger(), fs::file_size(ledger()) - 7);
  fs::remove_all(data("index"));
  harness_.open_again();
  EXPECT_EQ(store().grant_state(layer, anybody), cache::GrantState::kUnknown);
  wait_for_rebuild();
  EXPECT_EQ(store().grant_state(layer, anybody), cache::GrantState::kUnknown);
}

TEST_F(RestoreTest, TheContentComesBackWhenTheIndexIsSetAsideAtWork) {
  const TestManifest image = add_image("t", 1);
  {
    std::fstream file(data("index/data.mdb"), std::ios::binary | std::ios::in | std::ios::out);
    const auto size = fs::file_size(data("index/data.mdb"));
    file.seekp(8192);
    file << std::string(size - 8192, '\0') << std::flush;
  }
  add_tag("t2", image.digest);
  EXPECT_TRUE(fs::exists(data("index/damaged.mdb")));
  turn_until([&] { return store().usage().blobs == 2; });
  EXPECT_TRUE(can_pull("t", image));
  EXPECT_TRUE(can_pull("t2", image));
}

TEST_F(RestoreTest, ALostOrCutLedgerIsWrittenAnewAtTheNextStart) {
  const TestManifest image = add_image("t", 1);
  harness_.close();
  fs::remove_all(data("ledger"));
  harness_.open_again();
  lose_index();
  EXPECT_TRUE(can_pull("t", image));

  const TestManifest next = add_image("t2", 2);
  harness_.close();
  fs::resize_file(ledger(), fs::file_size(ledger()) - 7);
  harness_.open_again();
  lose_index();
  EXPECT_TRUE(can_pull("t", image));
  EXPECT_TRUE(can_pull("t2", next));
}

TEST_F(RestoreTest, ALedgerThatIsRemovedAtWorkIsWrittenAnewWithTheNextCommits) {
  const TestManifest image = add_image("t", 1);
  fs::remove_all(data("ledger"));
  add_tag("t2", image.digest);
  turn_until([&] { return fs::exists(ledger()); });
  lose_index();
  EXPECT_TRUE(can_pull("t", image));
  EXPECT_TRUE(can_pull("t2", image));
}

TEST_F(RestoreTest, DamageInTheMiddleIsMendedByTheNextStart) {
  const TestManifest one = add_image("one", 1);
  const TestManifest two = add_image("two", 2);
  harness_.close();
  damage_ledger_at(one.bytes);
  harness_.open_again();
  lose_index();
  EXPECT_TRUE(can_pull("one", one));
  EXPECT_TRUE(can_pull("two", two));
}

TEST_F(RestoreTest, DamageInTheMiddleCostsOneEntryWhenTheIndexIsLostToo) {
  const TestManifest one = add_image("one", 1);
  const TestManifest two = add_image("two", 2);
  harness_.close();
  damage_ledger_at(one.bytes);
  lose_index();
  EXPECT_FALSE(has(one));
  EXPECT_TRUE(store().find_tag(key("one")));
  EXPECT_TRUE(can_pull("two", two));
}

TEST_F(RestoreTest, AManifestThatIsNotThatOfItsDigestIsLeftOut) {
  const TestManifest image = add_image("t", 1);
  const auto other = oci::Digest::of("other");
  // The cache verifies a manifest's digest before put_manifest(), so the store doesn't verify the
  // digest.
  std::optional<Status> done;
  store().put_manifest(other, image.stored(), [&](const Status& status) { done = status; });
  turn_until([&] { return done.has_value(); });
  lose_index();
  EXPECT_FALSE(store().find_manifest(other));
  EXPECT_TRUE(can_pull("t", image));
}

TEST_F(RestoreTest, ATagThatIsConfirmedAgainIsNotWrittenAgain) {
  const TestManifest image = add_image("t", 1);
  const auto size = fs::file_size(ledger());
  for (int i = 1; i <= 3; ++i) put_tag(key("t"), {image.digest, time_ + std::chrono::hours(i)});
  EXPECT_EQ(fs::file_size(ledger()), size);
  EXPECT_EQ(store().find_tag(key("t"))->checked_at, time_ + std::chrono::hours(3));
}

TEST_F(RestoreTest, TheLedgerStaysWithinTwiceItsContentAndAMegabyte) {
  const TestManifest image = add_image("t", 1);
  const std::string large(100'000, ' ');
  for (unsigned i = 0; i < 40; ++i) {
    TestManifest manifest = make_manifest("config", {});
    manifest.bytes += large + std::to_string(i);
    manifest.digest = oci::Digest::of(manifest.bytes);
    add_manifest(manifest);
    add_tag("moves", manifest.digest);
    ASSERT_TRUE(evict_image("moves").ok());
    ASSERT_LT(fs::file_size(ledger()), (1u << 20) + 500'000u) << i;
  }
  lose_index();
  EXPECT_TRUE(can_pull("t", image));
}

TEST_F(RestoreTest, AFailedWriteOfTheLedgerFailsNoCommitAndIsMendedAtTheNextStart) {
  const TestManifest image = add_image("t", 1);
  {
    const DiskFault fault(DiskCall::kWrite, "/ledger/", ENOSPC);
    add_tag("t2", image.digest);
    EXPECT_GT(fault.hits(), 0);
  }
  add_tag("t3", image.digest);
  harness_.reopen();
  lose_index();
  for (const char* tag : {"t", "t2", "t3"}) EXPECT_TRUE(can_pull(tag, image)) << tag;
}

TEST_F(RestoreTest, AChangeWhoseCommitFailsLeavesALedgerThatIsWrittenAnew) {
  const TestManifest image = add_image("t", 1);
  {
    const DiskFault fault(DiskCall::kWrite, "/index/data.mdb", ENOSPC, kMetaBytes);
    std::optional<Status> put;
    store().put_tag(key("never"), {image.digest, time_}, [&](const Status& s) { put = s; });
    turn_until([&] { return put.has_value(); });
    EXPECT_FALSE(put->ok());
  }
  harness_.reopen();
  lose_index();
  EXPECT_TRUE(can_pull("t", image));
  EXPECT_FALSE(store().find_tag(key("never")));
}

TEST_F(RestoreTest, ARestoreThatFailsIsDoneAtTheNextStartWithTheChangesInBetween) {
  const TestManifest image = add_image("t", 1);
  const TestManifest next = make_manifest("config 1", {});
  harness_.close();
  fs::remove_all(data("index"));
  fs::rename(ledger(), data("aside"));
  fs::create_directory(ledger());
  std::ofstream(data("quarantine")) << "no folder: the folder can't be set aside";
  harness_.open_again();
  EXPECT_FALSE(store().find_tag(key("t")));
  harness_.close();
  fs::remove(data("quarantine"));
  fs::remove_all(ledger());
  fs::rename(data("aside"), ledger());
  harness_.open_again();
  wait_for_rebuild();
  EXPECT_TRUE(can_pull("t", image));
  add_manifest(next);
  add_tag("t2", next.digest);
  lose_index();
  EXPECT_TRUE(can_pull("t2", next));
}

TEST_F(RestoreTest, TheLedgerCountsInTheIndexsBytes) {
  add_image("t", 1);
  const auto file = fs::file_size(data("index/data.mdb"));
  EXPECT_LE(store().usage().index_bytes, file + fs::file_size(ledger()));
  EXPECT_GT(store().usage().index_bytes, fs::file_size(ledger()));
}

}  // namespace
}  // namespace layby::testing
