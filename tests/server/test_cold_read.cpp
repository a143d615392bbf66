// SPDX-License-Identifier: Apache-2.0
//
// A helper thread loads bytes that are not in the page cache. Only file systems with RWF_NOWAIT
// can tell whether bytes are cached. Where LAYBY_TEST_TMPDIR is on another file system
// (tmpfs, overlayfs), the tests with cold bytes are skipped.

#include "server/cold_read.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>

#include "server/server_test.h"
#include "support/temp_dir.h"

namespace layby::testing {
namespace {

constexpr std::size_t kSize = 4 << 20;

class ColdReadTest : public ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    const std::string path = dir_.path() + "/blob";
    fd_.reset(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    ASSERT_TRUE(write_at(fd_.get(), bytes_, 0).ok());
    ASSERT_EQ(::fsync(fd_.get()), 0);
  }

  // Drops the file from the page cache. False when the file system can't tell.
  bool chill() const {
    ::posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_DONTNEED);
    char byte = 0;
    iovec into{&byte, 1};
    return ::preadv2(fd_.get(), &into, 1, 0, RWF_NOWAIT) < 0 && errno == EAGAIN;
  }

  bool can_count_pages() const {
    constexpr long kCachestat = 451;
    std::array<std::uint64_t, 2> range{0, kSize};
    std::array<std::uint64_t, 5> pages{};
    return ::syscall(kCachestat, fd_.get(), range.data(), pages.data(), 0) == 0;
  }

  // Asks `read` whether the range is cached, with the whole file available.
  bool warm(server::ColdRead& read, std::uint64_t offset, std::uint64_t length) const {
    return read.warm(fd_.get(), offset, length, kSize - offset);
  }

  server::HttpServer::Context context() { return {*loop_, workers_, clock_, counters_}; }

  TempDir dir_;
  UniqueFd fd_;
  const std::string bytes_ = patterned(kSize);
};

#define SKIP_UNLESS_COLD()                                                                \
  if (!chill()) {                                                                         \
    GTEST_SKIP() << dir_.path() << " is on a file system that can't tell what is cached"; \
  }

// A blob in a file of its own.
class FileReader final : public cache::BlobReader {
 public:
  explicit FileReader(int fd) : fd_(fd) {}
  cache::BlobPart part_at(std::uint64_t) const override { return {fd_, UINT64_MAX}; }
  void consumed(std::uint64_t) override {}
  bool revoked() const override { return false; }
  std::uint64_t size_bytes() const override { return kSize; }
  std::uint64_t readable_bytes() const override { return kSize; }
  bool from_fill() const override { return false; }
  void listen(Listener*) override {}

 private:
  const int fd_;
};

TEST_F(ColdReadTest, FindsCachedBytesWarm) {
  const auto shared = context();
  int calls = 0;
  server::ColdRead read(shared, [&] { ++calls; });
  EXPECT_TRUE(warm(read, 0, 100'000));
  EXPECT_TRUE(warm(read, 50'000, 1));
  EXPECT_TRUE(warm(read, 100'000, kSize - 100'000));
  turn_for(milliseconds(5));
  EXPECT_EQ(calls, 0);
  EXPECT_EQ(counters_.cold_reads, 0u);
}

TEST_F(ColdReadTest, TakesAFileAsWarmWhenTheKernelCantTell) {
  const UniqueFd memory(::memfd_create("blob", MFD_CLOEXEC));
  ASSERT_TRUE(write_at(memory.get(), bytes_, 0).ok());
  const auto shared = context();
  server::ColdRead read(shared, [] {});
  EXPECT_TRUE(read.warm(memory.get(), 0, 100'000, kSize));
}

TEST_F(ColdReadTest, LetsAHelperReadInColdBytes) {
  SKIP_UNLESS_COLD();
  const auto shared = context();
  int calls = 0;
  server::ColdRead read(shared, [&] { ++calls; });
  EXPECT_FALSE(warm(read, 0, 100'000));
  EXPECT_EQ(calls, 0) << "not inside the call";
  EXPECT_TRUE(read.reading());
  ASSERT_TRUE(turn_until([&] { return calls == 1; }));
  EXPECT_FALSE(read.reading());
  EXPECT_TRUE(warm(read, 0, 100'000));
  char byte = 0;
  iovec into{&byte, 1};
  EXPECT_EQ(::preadv2(fd_.get(), &into, 1, 99'999, RWF_NOWAIT), 1) << "it is in the page cache";
}

TEST_F(ColdReadTest, ReadsAheadOfTheRequestedBytes) {
  SKIP_UNLESS_COLD();
  const auto shared = context();
  int calls = 0;
  server::ColdRead read(shared, [&] { ++calls; });
  EXPECT_FALSE(warm(read, 0, 1000));
  ASSERT_TRUE(turn_until([&] { return calls == 1; }));
  EXPECT_TRUE(warm(read, 1000, 1'000'000));
  EXPECT_EQ(counters_.cold_reads, 1u);
}

TEST_F(ColdReadTest, SeesAHoleBetweenCachedEnds) {
  SKIP_UNLESS_COLD();
  if (!can_count_pages()) GTEST_SKIP() << "this kernel has no cachestat (Linux 6.5)";
  ::posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_RANDOM);  // No read-ahead.
  char byte = 0;
  ASSERT_EQ(::pread(fd_.get(), &byte, 1, 0), 1);
  ASSERT_EQ(::pread(fd_.get(), &byte, 1, (1 << 20) - 1), 1);
  const auto shared = context();
  server::ColdRead read(shared, [] {});
  EXPECT_FALSE(warm(read, 0, 1000));
}

TEST_F(ColdReadTest, LeavesBytesAfterColdBytesToTheHelper) {
  SKIP_UNLESS_COLD();
  const auto shared = context();
  int calls = 0;
  server::ColdRead read(shared, [&] { ++calls; });
  EXPECT_FALSE(warm(read, 0, 1000));
  ASSERT_TRUE(turn_until([&] { return calls == 1; }));
  std::string last(1 << 20, '\0');
  ASSERT_EQ(::pread(fd_.get(), last.data(), last.size(), 3 << 20), 1 << 20);
  EXPECT_FALSE(warm(read, 3 << 20, 1000)) << "some bytes may be warm, but perhaps not all";
  ASSERT_TRUE(turn_until([&] { return calls == 2; }));
  EXPECT_TRUE(warm(read, 3 << 20, 1000));
}

TEST_F(ColdReadTest, DoesNotCallBackAfterItsDestruction) {
  SKIP_UNLESS_COLD();
  const auto shared = context();
  int calls = 0;
  auto read = std::make_unique<server::ColdRead>(shared, [&] { ++calls; });
  EXPECT_FALSE(warm(*read, 0, 1000));
  read.reset();
  fd_.reset();
  turn_for(milliseconds(30));
  EXPECT_EQ(calls, 0);
}

TEST_F(ColdReadTest, MayBeDestroyedInItsCallback) {
  SKIP_UNLESS_COLD();
  const auto shared = context();
  std::unique_ptr<server::ColdRead> read;
  bool called = false;
  read = std::make_unique<server::ColdRead>(shared, [&, held = std::string(100, 'h')] {
    read.reset();
    called = held.size() == 100;  // The callback's capture still exists.
  });
  EXPECT_FALSE(warm(*read, 0, 1000));
  EXPECT_TRUE(turn_until([&] { return called; }));
}

TEST_F(ColdReadTest, AColdBlobIsSentWhole) {
  SKIP_UNLESS_COLD();
  handler_.answer = [&](const server::Request&) {
    server::Response response;
    response.body = server::BlobBody{std::make_unique<FileReader>(fd_.get()), {0, kSize}};
    return response;
  };
  start();
  const auto client = connect();
  client->get("/");
  EXPECT_TRUE(answer_of(*client).body == bytes_);
  EXPECT_GE(counters_.cold_reads, 1u);
  EXPECT_EQ(counters_.blob_bytes_from_cache, kSize);
}

TEST_F(ColdReadTest, AClientMayLeaveWhileItsBlobIsReadIn) {
  SKIP_UNLESS_COLD();
  handler_.answer = [&](const server::Request&) {
    server::Response response;
    response.body = server::BlobBody{std::make_unique<FileReader>(fd_.get()), {0, kSize}};
    return response;
  };
  start();
  const auto client = connect();
  client->get("/");
  ASSERT_TRUE(turn_until([&] { return counters_.cold_reads > 0; }));
  client->close();
  EXPECT_TRUE(turn_until([&] { return server_->connections() == 0; }));
  turn_for(milliseconds(30));
}

}  // namespace
}  // namespace layby::testing
