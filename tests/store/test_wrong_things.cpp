// SPDX-License-Identifier: Apache-2.0
//
// Tests FIFOs, sockets, symbolic links and folders in the places of the store's files. The store
// never waits for such a thing, and moves the thing to the quarantine. The next fill puts a file
// into the place.

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "layby/base/fd.h"
#include "layby/store/event_journal.h"
#include "store/aside.h"
#include "store/disk_store_test.h"
#include "store/index.h"

namespace layby::testing {
namespace {

enum class Thing { kFifo, kSocket, kLink, kDanglingLink, kFolder };

void make_socket(const std::string& path) {
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
  // A socket's address has room for 107 bytes of a path, and `path` may be longer. So the socket is
  // made at a short path and then moved.
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string near = fs::temp_directory_path() / ("s" + std::to_string(::getpid()));
  std::copy(near.begin(), near.end(), address.sun_path);
  ASSERT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0)
      << std::strerror(errno);
  fs::rename(near, path);
}

class WrongThingsTest : public DiskTest, public ::testing::WithParamInterface<Thing> {
 protected:
  void put(const std::string& path) {
    fs::remove_all(path);
    fs::create_directories(fs::path(path).parent_path());
    switch (GetParam()) {
      case Thing::kFifo:
        ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
        break;
      case Thing::kSocket:
        make_socket(path);
        break;
      case Thing::kLink:
        std::ofstream(data("target")) << bytes_;
        fs::create_symlink(data("target"), path);
        break;
      case Thing::kDanglingLink:
        fs::create_symlink("/nowhere/at/all", path);
        break;
      case Thing::kFolder:
        fs::create_directory(path);
        std::ofstream(path + "/within") << "x";
        break;
    }
    ASSERT_TRUE(store::is_wrong_thing(path));
  }
  void settle() {
    // The commit of this tag runs after all work that was queued earlier.
    put_tag(key("settled"), {digest_, time_});
    turn_until([&] { return !operator_store().scrub().running; });
  }
  void expect_refilled() {
    const WriterLog log = fill(bytes_);
    EXPECT_TRUE(log.published()) << (log.error ? log.error->message : "");
    EXPECT_TRUE(stored(digest_) == bytes_);
    EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(published_path(digest_))));
    harness_.reopen();
    EXPECT_TRUE(stored(digest_) == bytes_);
  }
  bool is_set_aside(const std::string& name) const {
    return fs::exists(fs::symlink_status(data("quarantine/" + name)));
  }

  const std::string bytes_ = some_bytes(20'000, 1);
  const oci::Digest digest_ = oci::Digest::of(bytes_);
};

INSTANTIATE_TEST_SUITE_P(Things, WrongThingsTest,
                         ::testing::Values(Thing::kFifo, Thing::kSocket, Thing::kLink,
                                           Thing::kDanglingLink, Thing::kFolder));

TEST_P(WrongThingsTest, APublishedBlobIsForgottenAtOnceAndFilledAgain) {
  add_blob(bytes_);
  put(published_path(digest_));
  EXPECT_FALSE(has(digest_));
  turn_until([&] { return !store().find_blob(digest_); });
  EXPECT_TRUE(fs::exists(fs::symlink_status(quarantine_path(digest_))));
  expect_refilled();
}

TEST_P(WrongThingsTest, AFillOfTheBlobNeedsNoLookupBefore) {
  add_blob(bytes_);
  put(published_path(digest_));
  expect_refilled();
}

TEST_P(WrongThingsTest, AScrubForgetsTheBlob) {
  add_blob(bytes_);
  put(published_path(digest_));
  operator_store().verify();
  turn_until([&] { return !store().find_blob(digest_); });
  expect_refilled();
}

TEST_P(WrongThingsTest, ARebuildLeavesTheBlobOut) {
  add_blob(bytes_);
  harness_.close();
  put(published_path(digest_));
  fs::remove_all(data("index"));
  harness_.open_again();
  settle();
  EXPECT_FALSE(has(digest_));
  expect_refilled();
}

TEST_P(WrongThingsTest, AnEvictionClearsThePlace) {
  add_blob(bytes_);
  let_time_pass();
  put(published_path(digest_));
  EXPECT_EQ(evict(bytes_.size()).blobs, 1u);
  EXPECT_FALSE(fs::exists(fs::symlink_status(published_path(digest_))));
  expect_refilled();
}

TEST_P(WrongThingsTest, APartialFileIsBegunAnew) {
  put(partial_path(digest_));
  expect_refilled();
  EXPECT_TRUE(is_set_aside("sha256-" + hex(digest_)));
}

TEST_P(WrongThingsTest, AStartClearsThingsInThePartialFolder) {
  add_blob(bytes_);
  harness_.close();
  put(partial_path(digest_));
  put(data("partial/other"));
  harness_.open_again();
  settle();
  EXPECT_TRUE(fs::is_empty(data("partial")));
  EXPECT_TRUE(stored(digest_) == bytes_) << "a folder's two links are no sign of a publishing";
  EXPECT_EQ(store().usage().partial_bytes, 0u);
}

TEST_P(WrongThingsTest, AThingInTheQuarantineMakesWay) {
  add_blob(bytes_);
  put(quarantine_path(digest_));
  put(published_path(digest_));
  EXPECT_FALSE(has(digest_));
  turn_until([&] { return !store().find_blob(digest_); });
  expect_refilled();
}

TEST_P(WrongThingsTest, AFullCacheDeletesThingsInTheQuarantine) {
  put(data("quarantine/thing"));
  evict(1);
  EXPECT_FALSE(fs::exists(fs::symlink_status(data("quarantine/thing"))));
}

TEST_P(WrongThingsTest, AStoreStartsWithThingsInThePlacesOfItsOwnFiles) {
  add_blob(bytes_);
  for (const char* name : {"lock", "index/data.mdb", "index/lock.mdb", "index/damaged.mdb",
                           "index/suspect", "index/checking"}) {
    SCOPED_TRACE(name);
    harness_.close();
    put(data(name));
    harness_.open_again();
    settle();
    EXPECT_TRUE(stored(digest_) == bytes_);
    EXPECT_TRUE(is_set_aside(fs::path(name).filename()));
  }
}

TEST_P(WrongThingsTest, TheEventJournalIsWrittenAnew) {
  const std::string place = data("events/newer.jsonl");
  put(place);
  put(data("events/older.jsonl"));
  EXPECT_TRUE(store::EventJournal::read(harness_.data_dir()).empty());
  event::Workers workers(1);
  {
    store::EventJournal journal(harness_.data_dir(), harness_.loop(), workers);
    events::Record record;
    record.number = 1;
    record.text = "a";
    journal.append(record);
  }
  turn_until([&] { return fs::is_regular_file(fs::symlink_status(place)); });
}

TEST_P(WrongThingsTest, ASecondLaybyNamesTheHolderOfTheLock) {
  const auto second = harness_.open();
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().message.find(std::to_string(::getpid())), std::string::npos);
}

class WrongShelfTest : public DiskTest {};

TEST_F(WrongShelfTest, AFileInThePlaceOfAShelfMakesWay) {
  const std::string bytes = some_bytes(20'000, 1);
  const fs::path shelf = fs::path(published_path(oci::Digest::of(bytes))).parent_path();
  std::ofstream(shelf) << "no folder";
  add_blob(bytes);
  EXPECT_TRUE(stored(oci::Digest::of(bytes)) == bytes);
}

}  // namespace
}  // namespace layby::testing
