// SPDX-License-Identifier: Apache-2.0
//
// A store on a given folder, for the replay of power cuts. A CrashStore opens the store at a given
// time, makes changes, waits for their acknowledgement, and lists all content of the store.

#ifndef LAYBY_TESTS_STORE_CRASH_STORE_H_
#define LAYBY_TESTS_STORE_CRASH_STORE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "layby/store/disk_store.h"
#include "store/crash_claims.h"
#include "store/disk_harness.h"
#include "support/store_image.h"
#include "support/store_test.h"

namespace layby::testing {

// All content of all scenarios. A private blob or manifest belongs to the repository me/mine.
struct KnownContent {
  std::map<oci::Digest, std::string> blobs;
  std::map<oci::Digest, TestManifest> manifests;
  std::set<oci::Digest> private_digests;
  std::set<std::string> tags;

  static cache::TagKey key(const std::string& tag) { return {"docker.io", "library/a", tag}; }
  static cache::RepositoryKey mine() { return {"docker.io", "me/mine"}; }
  static cache::RepositoryKey other() { return {"docker.io", "me/other"}; }
};

class CrashStore {
 public:
  // The store's clock is ahead of the real clock by `later`.
  explicit CrashStore(const std::string& data_dir, std::chrono::hours later = {});
  ~CrashStore();

  // Empty if the store opened.
  const std::string& failure() const { return failure_; }
  store::DiskStore& store() { return *store_; }
  // Files that don't count as leftovers.
  struct MayLeave {
    // A published file that the index doesn't know. Where names become durable in any order, such a
    // file may have lost its name in partial/.
    bool blobs = false;
    bool quarantine = false;  // A damaged file.
  };
  void may_leave(const MayLeave& files) { may_leave_ = files; }
  std::uint64_t damaged_blobs() const { return counters_.damaged_blobs; }

  // Returns whether the condition came true.
  bool turn_until(const std::function<bool()>& condition);
  // Waits for the work that a start begins.
  bool settle();

  // The next functions wait for the acknowledgement, and return whether the call succeeded.
  bool publish(const std::string& bytes, bool is_private = false);
  // Publishes several blobs at a time.
  bool publish_all(const std::vector<std::string>& blobs);
  bool put_manifest(const TestManifest& manifest, bool is_private = false);
  bool put_tag(const std::string& tag, const oci::Digest& digest);
  bool pin(const std::string& tag);
  bool unpin(const std::string& tag);
  bool list(const std::vector<std::string>& tags);
  bool evict_image(const std::string& tag);
  bool evict(std::uint64_t bytes);
  // Writes the first bytes of a blob, and its last bytes ahead, as a fill that ends early.
  bool write_part(const std::string& bytes, std::size_t size);

  Values values(const KnownContent& known);
  // The files that nobody will use or delete. `day_later` says that a day has passed, so partial
  // files are too old to stay.
  std::vector<std::string> leftovers(bool day_later);
  // The digests of the partial files.
  std::set<oci::Digest> partials() const;
  // Fills the blob as a client would; returns what was wrong.
  std::string refill(const std::string& bytes);

 private:
  void append_end_first(cache::BlobWriter& writer, const WriterLog& log, const std::string& bytes);
  std::string blob_value(const oci::Digest& digest, const KnownContent& known);
  std::string manifest_value(const TestManifest& manifest, const KnownContent& known);
  std::string with_grants(const oci::Digest& digest, const KnownContent& known);
  void add_catalog(Values& values);
  bool acknowledged(const std::function<void(std::function<void(bool)>)>& ask);
  std::string leftover(const std::string& name, bool day_later);

  const std::string data_dir_;
  std::string failure_;
  MayLeave may_leave_;
  FakeClock clock_;
  Counters counters_;
  events::Events events_;
  std::unique_ptr<event::Loop> loop_ = *event::Loop::create();
  std::unique_ptr<event::Workers> workers_ = std::make_unique<event::Workers>(2);
  std::unique_ptr<store::DiskStore> store_;
};

}  // namespace layby::testing

#endif  // LAYBY_TESTS_STORE_CRASH_STORE_H_
