// SPDX-License-Identifier: Apache-2.0
//
// Power cuts, replayed. The store runs through a scenario while every call that changes a file is
// recorded, LMDB's calls included. Then the test builds disks that a power cut may have left, and
// opens a store on each disk. Everything that was acknowledged before the cut must be there, no
// byte may be wrong, private content stays private, and no file is left for ever.
//
// A run replays a sample. With LAYBY_CRASH_DRAWS=N a run also loses, keeps and tears each
// operation alone, at each sync, and draws N random losses in each scenario. With 300 draws the run
// takes a quarter of an hour.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "layby/base/log.h"
#include "store/crash_replayer.h"
#include "support/store_test.h"
#include "support/temp_dir.h"

namespace layby::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kDraws = 8;

// The recording of a store that doesn't sync the files or folders whose name begins with
// `name`.
Recording without_syncs(Recording recording, DiskOp::Kind kind, const std::string& name) {
  std::set<int> files;
  for (DiskOp& op : recording.ops) {
    if (op.file >= 0 && op.is_name() && op.name.starts_with(name)) files.insert(op.file);
    const bool is_meant =
        op.kind == DiskOp::Kind::kSyncFolder ? op.name.starts_with(name) : files.contains(op.file);
    if (op.kind == kind && is_meant) op = {DiskOp::Kind::kSyncFile};  // Of no file.
  }
  return recording;
}

class CrashReplay : public ::testing::TestWithParam<NameOrder> {
 protected:
  static void SetUpTestSuite() { spdlog::set_level(spdlog::level::off); }
  void SetUp() override { fs::create_directories(data_dir_); }

  // Begins to record. The recording starts from what is in the folder now.
  void record() { recorder_ = std::make_unique<DiskRecorder>(data_dir_); }
  void open(std::chrono::hours later = {}) {
    store_ = std::make_unique<CrashStore>(data_dir_, later);
    ASSERT_EQ(store_->failure(), "");
    store_->may_leave({GetParam() == NameOrder::kAny});
  }
  void close() { store_.reset(); }
  CrashStore& store() { return *store_; }

  const TempDir temp_;
  const std::string root_ = fs::canonical(temp_.path()).string();
  const std::string data_dir_ = root_ + "/data";
  std::unique_ptr<DiskRecorder> recorder_;

  // Makes a change, which is acknowledged when `change` returns true. The content of the store
  // after the change becomes a claim.
  template <typename Change>
  void step(Change change) {
    const std::size_t begun = recorded();
    ASSERT_TRUE(change());
    const std::size_t acknowledged = recorded();
    const Values now = store().values(scenario_.known);
    for (const auto& [name, value] : now) {
      if (value != last(name)) scenario_.claims.add(name, {value, begun, acknowledged});
    }
    for (const std::string& name : scenario_.claims.names()) {
      if (!now.contains(name) && last(name) != kGone) {
        scenario_.claims.add(name, {kGone, begun, acknowledged});
      }
    }
  }

  std::string blob(std::size_t size, unsigned seed, bool is_private = false) {
    std::string bytes = some_bytes(size, seed);
    const oci::Digest digest = oci::Digest::of(bytes);
    scenario_.known.blobs[digest] = bytes;
    if (is_private) scenario_.known.private_digests.insert(digest);
    return bytes;
  }
  // Publishes an image of two layers, one of them with more bytes than a page.
  TestManifest pull(const std::string& tag, unsigned seed, bool is_private = false) {
    const std::vector<std::string> layers = {blob(9'000, seed, is_private),
                                             blob(700, seed + 100, is_private)};
    const std::string config = blob(300, seed + 200, is_private);
    const TestManifest image = make_manifest(config, layers);
    scenario_.known.manifests[image.digest] = image;
    scenario_.known.tags.insert(tag);
    if (is_private) scenario_.known.private_digests.insert(image.digest);
    step([&] { return store().put_manifest(image, is_private); });
    step([&] { return store().put_tag(tag, image.digest); });
    for (const std::string& layer : {layers[0], layers[1], config}) {
      step([&] { return store().publish(layer, is_private); });
    }
    return image;
  }

  void replay() {
    close();
    expect_everything_was_recorded();
    const char* draws = std::getenv("LAYBY_CRASH_DRAWS");
    CrashReplayer replayer(scenario_, GetParam(), root_ + "/replay");
    const std::string broken =
        draws == nullptr ? replayer.run(kDraws) : replayer.run_long(std::stoul(draws));
    EXPECT_EQ(broken, "");
    std::cout << "             " << scenario_.recording.ops.size() << " operations, "
              << replayer.cuts() << " power cuts, " << replayer.disks() << " disks\n";
  }

  // Puts `image` into the folder, and begins to record. The content that a store finds there
  // becomes the first claims.
  void record_from(const DiskImage& image) {
    put(image);
    open();
    store().settle();
    scenario_.index_losses = 0;
    scenario_.claims = Claims(store().values(scenario_.known));
    close();
    put(image);
    record();
  }

  Scenario scenario_;

 private:
  void put(const DiskImage& image) {
    fs::remove_all(data_dir_);
    image.build(data_dir_);
  }
  std::size_t recorded() const { return recorder_ ? recorder_->size() : 0; }
  std::string last(const std::string& name) const {
    const auto names = scenario_.claims.names();
    const bool known = std::find(names.begin(), names.end(), name) != names.end();
    return known ? scenario_.claims.last(name) : kGone;
  }
  // If the recorder missed a call, every replay would be wrong.
  void expect_everything_was_recorded() {
    scenario_.recording = recorder_->take();
    const CrashPoint end(scenario_.recording, scenario_.recording.ops.size(), GetParam());
    EXPECT_EQ(contents(end.image(end.loss(true))), contents(DiskImage::of(data_dir_)));
  }
  static std::map<std::string, std::string> contents(const DiskImage& image) {
    std::map<std::string, std::string> contents;
    for (const auto& [name, file] : image.names) {
      // LMDB writes its lock through a shared map.
      contents[name] = name == "index/lock.mdb" ? "" : image.files.at(file);
    }
    return contents;
  }

  const FastDisk fast_;
  std::unique_ptr<CrashStore> store_;
};

class CrashReplayInOrder : public CrashReplay {};

TEST_P(CrashReplay, PullsMovesPinsAndGrants) {
  record();
  open();
  pull("one", 1);
  pull("private", 2, true);
  step([&] { return store().pin("one"); });
  step([&] { return store().list({"private"}); });
  const TestManifest next = pull("one", 3);
  step([&] { return store().put_tag("two", next.digest); });
  step([&] { return store().unpin("one"); });
  replay();
}

TEST_P(CrashReplay, EvictionsAndFillsThatEndEarly) {
  record();
  open();
  pull("one", 1);
  pull("private", 2, true);
  step([&] { return store().publish_all({blob(5'000, 20), blob(600, 21), blob(1, 22)}); });
  step([&] { return store().evict_image("private"); });
  step([&] { return store().write_part(blob(30'000, 23), 10'000); });
  step([&] { return store().evict(6'000); });
  step([&] { return store().publish(blob(30'000, 23)); });
  pull("private", 2, true);
  step([&] { return store().evict(20'000); });
  step([&] { return store().publish(blob(5'000, 20)); });
  step([&] { return store().write_part(blob(20'000, 24), 20'000); });
  replay();
}

TEST_P(CrashReplay, RestartsAndTheDeletionOfAnOldPartialFile) {
  record();
  open();
  pull("one", 1);
  step([&] { return store().write_part(blob(20'000, 24), 9'000); });
  close();
  open();
  step([&] { return store().pin("one"); });
  close();
  open(std::chrono::hours(25));
  step([&] { return store().settle(); });
  pull("one", 2);
  replay();
}

TEST_P(CrashReplay, ALedgerThatIsWrittenAnew) {
  record();
  open();
  pull("one", 1);
  const TestManifest large = make_manifest(std::string(100'000, 'c'), {});
  TestManifest padded = large;
  padded.bytes += std::string(400'000, ' ');
  padded.digest = oci::Digest::of(padded.bytes);
  scenario_.known.manifests[padded.digest] = padded;
  for (int i = 0; i < 4; ++i) step([&] { return store().put_manifest(padded); });
  step([&] { return store().pin("one"); });
  step([&] { return store().put_tag("one", padded.digest); });
  replay();
}

// An earlier crash of the process has left a file named `suspect`, so the next start reads the
// whole index.
TEST_P(CrashReplay, ACheckOfTheWholeIndex) {
  open();
  pull("one", 1);
  close();
  std::ofstream(store::suspicion_path(data_dir_)) << "";
  record();
  open();
  step([&] { return store().pin("one"); });
  step([&] { return store().list({"one"}); });
  pull("two", 2);
  replay();
}

TEST_P(CrashReplay, AnIndexThatWasLost) {
  open();
  pull("one", 1);
  pull("private", 2, true);
  step([&] { return store().pin("one"); });
  close();
  fs::remove_all(data_dir_ + "/index");
  record();
  open();
  step([&] { return store().unpin("one") && store().settle(); });
  pull("two", 3);
  replay();
}

// Another program, or a file system check, cut off the end of a published file.
TEST_P(CrashReplay, ABlobFileThatLostItsEnd) {
  open();
  const TestManifest image = pull("one", 1);
  const oci::Digest digest = oci::Digest::of(blob(9'000, 1));
  const std::string hex(digest.hex());
  close();
  fs::resize_file(data_dir_ + "/blobs/sha256/" + hex.substr(0, 2) + "/" + hex, 4'000);
  scenario_.claims.add("blob " + digest.str(), {kGone});
  scenario_.is_damaged = true;
  record();
  open();
  step([&] {
    return !store().store().open_blob(digest) &&
           store().turn_until([&] { return !store().store().find_blob(digest); });
  });
  step([&] { return store().put_tag("two", image.digest); });
  replay();
}

// The power is also cut during the start that follows a power cut.
TEST_P(CrashReplay, StartsAfterPowerCuts) {
  record();
  open();
  pull("one", 1);
  pull("private", 2, true);
  step([&] { return store().write_part(blob(20'000, 24), 9'000); });
  step([&] { return store().evict_image("private"); });
  close();
  const Recording first = recorder_->take();
  const std::vector<std::size_t> ends = crash_points(first, 5, true);
  std::mt19937 random(1);
  for (std::size_t i = 1; i <= 6; ++i) {
    const CrashPoint cut(first, ends[i * (ends.size() - 1) / 6], GetParam());
    record_from(cut.image(cut.random(random)));
    open();
    step([&] { return store().pin("one") && store().settle(); });
    replay();
  }
}

// If the store left out one kind of its syncs, the replay would find a broken promise.
TEST_P(CrashReplayInOrder, EachMissingSyncIsSeen) {
  record();
  open();
  pull("one", 1);
  pull("private", 2, true);
  step([&] { return store().evict_image("private"); });
  close();
  const Recording whole = recorder_->take();
  scenario_.index_losses = 1;
  scenario_.is_damaged = true;  // Allows files in quarantine, so settle() doesn't wait for them.
  for (const auto& [kind, name] : {std::pair{DiskOp::Kind::kSyncFile, "partial/"},
                                   {DiskOp::Kind::kSyncFolder, "blobs/"},
                                   {DiskOp::Kind::kSyncFile, "ledger/changes"},
                                   {DiskOp::Kind::kSyncWrite, "index/data.mdb"}}) {
    scenario_.recording = without_syncs(whole, kind, name);
    CrashReplayer replayer(scenario_, GetParam(), root_ + "/replay");
    EXPECT_NE(replayer.run(200), "") << to_string({kind, -1, name});
  }
}

std::string name_of(const ::testing::TestParamInfo<NameOrder>& order) {
  return order.param == NameOrder::kInOrder ? "InOrder" : "InAnyOrder";
}

INSTANTIATE_TEST_SUITE_P(Names, CrashReplay,
                         ::testing::Values(NameOrder::kInOrder, NameOrder::kAny), name_of);
INSTANTIATE_TEST_SUITE_P(Names, CrashReplayInOrder, ::testing::Values(NameOrder::kInOrder),
                         name_of);

}  // namespace
}  // namespace layby::testing
