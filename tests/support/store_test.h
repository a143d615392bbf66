// SPDX-License-Identifier: Apache-2.0
//
// The common parts of tests of stores: a log of a writer's reports, bytes to write, and a
// fixture over a harness. A harness is a default-constructible type with store(), which gives a
// store of both interfaces, and turn_until(condition). turn_until runs callbacks until the
// condition holds, and fails the test when the condition never holds.

#ifndef LAYBY_TESTS_SUPPORT_STORE_TEST_H_
#define LAYBY_TESTS_SUPPORT_STORE_TEST_H_

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "layby/cache/operator_store.h"
#include "layby/cache/store.h"

namespace layby::testing {

// Records a writer's reports.
class WriterLog final : public cache::BlobWriterEvents {
 public:
  void on_writer_ready(std::uint64_t kept_bytes, bool is_whole) override {
    whole = is_whole;
    kept = kept_bytes;
    calls.push_back("ready");
  }
  void on_written(std::uint64_t total_bytes) override {
    written = total_bytes;
    if (calls.empty() || calls.back() != "written") calls.push_back("written");
  }
  void on_written_ahead(std::uint64_t offset, std::uint64_t end) override {
    ahead_bytes += end - offset;
    ahead_end = end;
  }
  void on_ahead_failed(const Error& reason) override { ahead_error = reason; }
  void on_unkept(const Error& reason) override {
    unkept = reason;
    calls.push_back("unkept");
  }
  void on_verified() override {
    calls.push_back("verified");
    if (unkept) end();
  }
  void on_published() override {
    calls.push_back("published");
    end();
  }
  void on_writer_error(Error the_error) override {
    error = std::move(the_error);
    calls.push_back("error");
    end();
  }

  bool ready() const { return kept.has_value(); }
  bool ended() const { return published() || error || (unkept && calls.back() == "verified"); }
  bool published() const { return !calls.empty() && calls.back() == "published"; }

  std::optional<std::uint64_t> kept;
  std::uint64_t written = 0;
  std::uint64_t ahead_bytes = 0;  // The sum of on_written_ahead().
  std::uint64_t ahead_end = 0;    // Of the last on_written_ahead().
  std::optional<Error> ahead_error;
  std::optional<Error> unkept;
  std::optional<Error> error;
  bool whole = false;
  std::vector<std::string> calls;  // Several on_written in a row count once.
  std::unique_ptr<cache::BlobWriter>* destroy_at_end = nullptr;

 private:
  void end() {
    if (destroy_at_end != nullptr) destroy_at_end->reset();
  }
};

inline std::string read_all(int fd) {
  std::string bytes;
  char buffer[4096];
  ssize_t got = 0;
  while ((got = ::pread(fd, buffer, sizeof buffer, static_cast<off_t>(bytes.size()))) > 0) {
    bytes.append(buffer, static_cast<std::size_t>(got));
  }
  return bytes;
}

// `size` bytes of a pattern whose period isn't a power of two.
inline std::string some_bytes(std::size_t size, unsigned seed = 1) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<char>((i * 7 + i / 251 + seed * 13) & 0xff);
  }
  return bytes;
}

template <typename Harness>
class StoreTest : public ::testing::Test {
 protected:
  cache::Store& store() { return harness_.store(); }
  cache::OperatorStore& operator_store() { return harness_.store(); }
  template <typename Condition>
  void turn_until(Condition condition) {
    harness_.turn_until(condition);
  }

  // Writes `bytes` as the blob `digest`, and returns the writer's reports.
  WriterLog write(const oci::Digest& digest, const std::string& bytes) {
    WriterLog log;
    const auto writer = store().write_blob(digest, log);
    if (!bytes.empty()) writer->append(bytes);
    writer->finish();
    turn_until([&] { return log.ended(); });
    return log;
  }

  std::optional<std::string> stored(const oci::Digest& digest) {
    const auto blob = store().open_blob(digest);
    if (!blob) return std::nullopt;
    EXPECT_EQ(blob->size_bytes, read_all(blob->file->fd()).size());
    return read_all(blob->file->fd());
  }

  void put_tag(const cache::TagKey& key, const cache::StoredTag& tag) {
    bool done = false;
    store().put_tag(key, tag, [&](const Status& status) {
      EXPECT_TRUE(status.ok());
      done = true;
    });
    turn_until([&] { return done; });
  }

  // pin() and unpin() return whether `key` was pinned before.
  std::optional<bool> pin(const cache::TagKey& key) {
    std::optional<bool> before;
    operator_store().pin(key, [&](const Result<bool>& given) { before = *given; });
    EXPECT_FALSE(before) << "inside the call";
    turn_until([&] { return before.has_value(); });
    return before;
  }
  std::optional<bool> unpin(const cache::TagKey& key) {
    std::optional<bool> before;
    operator_store().unpin(key, [&](const Result<bool>& given) { before = *given; });
    turn_until([&] { return before.has_value(); });
    return before;
  }
  void set_list_pins(const std::vector<cache::TagKey>& keys) {
    bool done = false;
    store().set_list_pins(keys, [&](const Status& status) {
      EXPECT_TRUE(status.ok());
      done = true;
    });
    EXPECT_FALSE(done) << "inside the call";
    turn_until([&] { return done; });
  }
  Result<cache::EvictedSum> evict_image(const cache::TagKey& key) {
    std::optional<Result<cache::EvictedSum>> sum;
    operator_store().evict_image(key, [&](const auto& given) { sum.emplace(given); });
    turn_until([&] { return sum.has_value(); });
    return *sum;
  }

  cache::ImageParts find_parts(const oci::Digest& root, const std::string& platform) {
    std::optional<cache::ImageParts> parts;
    const Handle question =
        store().find_parts(root, {{*oci::parse_platform(platform)}, false},
                           [&](const Result<cache::ImageParts>& given) { parts = *given; });
    EXPECT_FALSE(parts) << "inside the call";
    turn_until([&] { return parts.has_value(); });
    return *parts;
  }

  Harness harness_;
  const std::string bytes_ = some_bytes(300'000);
  const oci::Digest digest_ = oci::Digest::of(bytes_);
  const WallTime time_{std::chrono::milliseconds(1'700'000'000'123)};
};

}  // namespace layby::testing

#endif  // LAYBY_TESTS_SUPPORT_STORE_TEST_H_
