// SPDX-License-Identifier: Apache-2.0
//
// A fixture over a DiskStore: adds images to the store, finds its files, and waits for the
// answers to its calls.

#ifndef LAYBY_TESTS_STORE_DISK_STORE_TEST_H_
#define LAYBY_TESTS_STORE_DISK_STORE_TEST_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "store/disk_harness.h"
#include "support/store_image.h"
#include "support/store_test.h"

namespace layby::testing {

namespace fs = std::filesystem;

class DiskTest : public StoreTest<DiskHarness> {
 protected:
  static std::string hex(const oci::Digest& digest) { return std::string(digest.hex()); }
  std::string data(const std::string& name) const { return harness_.data_dir() + "/" + name; }
  std::string published_path(const oci::Digest& digest) const {
    return data("blobs/" + std::string(digest.algorithm()) + "/" + hex(digest).substr(0, 2) + "/" +
                hex(digest));
  }
  std::string partial_path(const oci::Digest& digest) const {
    return data("partial/" + std::string(digest.algorithm()) + "-" + hex(digest));
  }
  std::string quarantine_path(const oci::Digest& digest) const {
    return data("quarantine/" + std::string(digest.algorithm()) + "-" + hex(digest));
  }
  static std::size_t files_in(const std::string& folder) {
    if (!fs::exists(folder)) return 0;
    return static_cast<std::size_t>(
        std::count_if(fs::recursive_directory_iterator(folder), {},
                      [](const auto& entry) { return entry.is_regular_file(); }));
  }
  std::size_t blob_files() const { return files_in(data("blobs")); }

  // Appends after the kept bytes, as a fill does.
  WriterLog fill(const std::string& bytes) {
    WriterLog log;
    const auto writer = store().write_blob(oci::Digest::of(bytes), log);
    turn_until([&] { return log.ready() || log.ended(); });
    if (log.ready() && *log.kept < bytes.size()) writer->append(bytes.substr(*log.kept));
    writer->finish();
    turn_until([&] { return log.ended(); });
    return log;
  }
  // Publishes a blob.
  oci::Digest add_blob(const std::string& bytes) {
    const oci::Digest digest = oci::Digest::of(bytes);
    const WriterLog log = fill(bytes);
    EXPECT_TRUE(log.published()) << (log.error ? log.error->message : "");
    return digest;
  }
  // `repository` is the origin of the manifest, if given.
  void add_manifest(const TestManifest& manifest, const std::string& repository = "") {
    bool done = false;
    cache::StoredManifest stored = manifest.stored();
    if (!repository.empty()) stored.from = {"docker.io", repository};
    store().put_manifest(manifest.digest, std::move(stored), [&](const Status& status) {
      EXPECT_TRUE(status.ok());
      done = true;
    });
    turn_until([&] { return done; });
  }
  void add_tag(const std::string& tag, const oci::Digest& digest) {
    put_tag(key(tag), {digest, time_});
  }
  static cache::TagKey key(const std::string& tag) { return {"docker.io", "library/a", tag}; }

  template <typename T>
  Result<T> answer(const std::function<void(std::function<void(Result<T>)>)>& ask) {
    std::optional<Result<T>> result;
    ask([&](Result<T> given) { result.emplace(std::move(given)); });
    turn_until([&] { return result.has_value(); });
    return *std::move(result);
  }
  cache::EvictedSum evict(std::uint64_t bytes) {
    const auto sum = answer<cache::EvictedSum>([&](auto done) { store().evict(bytes, done); });
    EXPECT_TRUE(sum.ok()) << (sum.ok() ? "" : sum.error().message);
    return sum.ok() ? *sum : cache::EvictedSum{};
  }
  Result<cache::EvictedSum> evict_image(const std::string& tag) {
    return StoreTest::evict_image(key(tag));
  }
  bool pin(const std::string& tag) { return StoreTest::pin(key(tag)).value(); }
  bool unpin(const std::string& tag) { return StoreTest::unpin(key(tag)).value(); }
  cache::Catalog catalog() {
    return *answer<cache::Catalog>([&](auto done) { operator_store().list_images(done); });
  }
  // After ten minutes, content stored so far doesn't count as part of a pull under way.
  void let_time_pass() { harness_.clock().advance(std::chrono::minutes(10)); }

  bool has(const oci::Digest& digest) { return store().open_blob(digest).has_value(); }
  bool has(const TestManifest& manifest) {
    return store().find_manifest(manifest.digest).has_value();
  }
  // Changes one byte of the file in place.
  static void flip_byte(const std::string& path) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    char byte = 0;
    file.seekg(10).get(byte);
    file.seekp(10).put(static_cast<char>(byte ^ 1));
    ASSERT_TRUE(file.good());
  }
  static std::string content(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  const Counters& counters() { return harness_.counters(); }
};

}  // namespace layby::testing

#endif  // LAYBY_TESTS_STORE_DISK_STORE_TEST_H_
