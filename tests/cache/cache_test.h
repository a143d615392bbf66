// SPDX-License-Identifier: Apache-2.0
//
// The fixture of the cache's tests: a Cache over a store in memory, guards whose upstreams the
// test plays, and a clock that the test advances. timers_.run() lets the store do its work;
// timers_.advance() lets time pass. Each asker stores its answer.

#ifndef LAYBY_TESTS_CACHE_CACHE_TEST_H_
#define LAYBY_TESTS_CACHE_CACHE_TEST_H_

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "layby/base/fd.h"
#include "layby/cache/cache.h"
#include "layby/cache/guard.h"
#include "layby/cache/prefetch.h"
#include "support/fake_clock.h"
#include "support/fake_store.h"
#include "support/fake_timers.h"
#include "support/fake_upstream.h"

namespace layby::cache {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::FakeStore;
using testing::UpstreamKind;
using Step = FakeStore::Step;

// One request to the cache and its answer, which may come only once.
template <typename T>
class Asker {
 public:
  std::function<void(Result<T>)> done() {
    return [this](Result<T> result) {
      EXPECT_FALSE(result_) << "answered twice";
      result_.emplace(std::move(result));
      if (then) then();
    };
  }

  std::function<void()> then;  // Called when the answer comes, if set.
  Handle handle;

  bool answered() const { return result_.has_value(); }
  bool ok() const { return result_ && result_->ok(); }
  // The error's code, or kIo if there is no error.
  ErrorCode error() const {
    return result_ && !result_->ok() ? result_->error().code : ErrorCode::kIo;
  }
  T& value() { return **result_; }
  const T& value() const { return **result_; }

 private:
  std::optional<Result<T>> result_;
};

// Opens a blob, and listens to the blob's reader as soon as the reader comes.
class BlobAsker final : public Asker<std::unique_ptr<BlobReader>>, private BlobReader::Listener {
 public:
  BlobAsker() {
    then = [this] {
      if (ok()) value()->listen(this);
    };
  }

  std::function<void()> when_readable;
  std::function<void()> when_failed;

  bool reading() const { return ok() && value() != nullptr; }
  std::uint64_t readable() const { return value()->readable_bytes(); }
  bool whole() const { return reading() && readable() == value()->size_bytes(); }
  int times_told() const { return times_told_; }
  const std::optional<Error>& failure() const { return failure_; }
  void leave() { value().reset(); }

  // The readable bytes of [from, to), read from the file itself.
  std::string read(std::uint64_t from, std::uint64_t to) const {
    std::string bytes(std::min(to, readable()) - from, '\0');
    const auto got =
        ::pread(value()->part_at(from).fd, bytes.data(), bytes.size(), static_cast<off_t>(from));
    EXPECT_EQ(got, static_cast<ssize_t>(bytes.size()));
    return bytes;
  }
  std::string read() const { return read(0, readable()); }

 private:
  void on_readable() override {
    ++times_told_;
    if (when_readable) when_readable();
  }
  void on_reader_failed(const Error& error) override {
    EXPECT_FALSE(failure_) << "failed twice";
    failure_ = error;
    if (when_failed) when_failed();
  }

  int times_told_ = 0;
  std::optional<Error> failure_;
};

class CacheTest : public ::testing::Test {
 protected:
  void SetUp() override { make_cache(); }
  void TearDown() override { cache_.reset(); }

  // Makes a new cache with `rules_`, as a restart does. Only the store stays.
  void make_cache() {
    cache_.reset();
    std::vector<Origin> origins;
    auto hub = make_guard("docker.io", upstream_);
    auto other = make_guard("ghcr.io", other_upstream_);
    guard_ = hub.get();
    other_guard_ = other.get();
    origins.push_back({"docker.io", {"library/*"}, std::move(hub)});
    origins.push_back({"ghcr.io", {"*"}, std::move(other)});
    origins.back().is_private = other_is_private_;
    cache_ = std::make_unique<Cache>(rules_, std::move(origins), store_, timers_, clock_, counters_,
                                     events_);
  }

  const Origin& hub() const { return *cache_->find_origin("docker.io"); }
  const Origin& other() const { return *cache_->find_origin("ghcr.io"); }

  void open(BlobAsker& asker, const oci::Digest& digest, const IpAddress& client = {}) {
    asker.handle = cache_->open_blob(hub(), "library/debian", digest, asker.done(), client);
  }
  void get(Asker<ManifestAnswer>& asker, const oci::Reference& reference) {
    asker.handle = cache_->get_manifest(hub(), "library/debian", reference, false, asker.done());
  }
  void head(Asker<ManifestAnswer>& asker, const oci::Reference& reference) {
    asker.handle = cache_->get_manifest(hub(), "library/debian", reference, true, asker.done());
  }

  // The only blob transfer under way.
  testing::FakeUpstream::RequestPtr transfer() const { return upstream_->only_pending(); }
  // Sends `bytes`, which begin at `offset` and end a blob of `size_bytes`.
  void send_all(const std::string& bytes, std::uint64_t offset, std::uint64_t size_bytes) {
    const auto blob = transfer();
    blob->start(offset, size_bytes);
    blob->send(bytes);
    blob->end({});
    timers_.run();
  }

  // Rules without tag checks in the background and without layers that are fetched ahead, so only
  // the test's requests go upstream.
  static Rules without_keep_fresh() {
    Rules rules;
    rules.keep_fresh = std::chrono::milliseconds(0);
    rules.pull_ahead = false;
    return rules;
  }

  bool other_is_private_ = false;
  Rules rules_ = without_keep_fresh();
  GuardRules guard_rules_;
  testing::FakeClock clock_;
  testing::FakeTimers timers_{clock_};
  FakeStore store_{timers_};
  Counters counters_;
  events::Events events_;
  testing::FakeUpstream* upstream_ = nullptr;        // Docker Hub. The cache owns it.
  testing::FakeUpstream* other_upstream_ = nullptr;  // ghcr.io. The cache owns it.
  Guard* guard_ = nullptr;
  Guard* other_guard_ = nullptr;
  std::unique_ptr<Cache> cache_;

 private:
  std::unique_ptr<Guard> make_guard(const std::string& name, testing::FakeUpstream*& inner) {
    auto upstream = std::make_unique<testing::FakeUpstream>();
    inner = upstream.get();
    return std::make_unique<Guard>(name, guard_rules_, std::move(upstream), timers_, clock_,
                                   events_);
  }
};

}  // namespace layby::cache

#endif  // LAYBY_TESTS_CACHE_CACHE_TEST_H_
