// SPDX-License-Identifier: Apache-2.0
//
// The readers of a fill: which callbacks each reader gets, and the calls that a reader may make
// inside a callback. The test plays the fill.

#include "cache/fill_readers.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "support/fake_store.h"

namespace layby::cache {
namespace {

constexpr std::uint64_t kSizeBytes = 10;

// One client with its reader and the callbacks that the reader got.
class Client final : private BlobReader::Listener {
 public:
  std::unique_ptr<BlobReader> reader;
  std::function<void()> when_readable;
  std::function<void()> when_failed;

  void take(std::unique_ptr<BlobReader> given) {
    reader = std::move(given);
    reader->listen(this);
  }
  void leave() { reader.reset(); }
  int times_told() const { return times_told_; }
  const std::optional<Error>& failure() const { return failure_; }

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

class FillReadersTest : public ::testing::Test, private FillReaders::Source {
 protected:
  void SetUp() override {
    for (Client* client : {&first_, &second_, &third_}) client->take(add());
  }
  void TearDown() override { readers_.dismiss(Status(), 0); }

  std::unique_ptr<BlobReader> add() {
    return readers_.add(std::make_shared<testing::FakeFile>(), kSizeBytes);
  }
  void fail() { readers_.dismiss(Error{ErrorCode::kDenied, "refused"}, 4); }

  std::uint64_t readable_bytes_ = 0;
  int consumed_ = 0;
  FillReaders readers_{*this};
  Client first_, second_, third_;

 private:
  std::uint64_t readable_bytes() const override { return readable_bytes_; }
  void on_consumed() override { ++consumed_; }
};

TEST_F(FillReadersTest, AllReadersButTheFirstSpareTheLink) {
  EXPECT_FALSE(first_.reader->spares_link());
  EXPECT_TRUE(second_.reader->spares_link());
  first_.leave();
  EXPECT_TRUE(add()->spares_link());
}

TEST_F(FillReadersTest, EachReaderIsCountedUntilItLeaves) {
  EXPECT_EQ(readers_.count(), 3);
  second_.leave();
  EXPECT_EQ(readers_.count(), 2);
  first_.leave();
  third_.leave();
  EXPECT_FALSE(readers_.any());
}

TEST_F(FillReadersTest, ReadableBytesAreTheFills) {
  readable_bytes_ = 7;
  EXPECT_EQ(first_.reader->readable_bytes(), 7u);
}

TEST_F(FillReadersTest, SlowestIsTheLeastPosition) {
  first_.reader->consumed(5);
  second_.reader->consumed(3);
  third_.reader->consumed(9);
  EXPECT_EQ(readers_.slowest(), 3u);
}

TEST_F(FillReadersTest, SlowestOfNoReadersIsEmpty) {
  for (Client* client : {&first_, &second_, &third_}) client->leave();
  EXPECT_EQ(readers_.slowest(), std::nullopt);
}

TEST_F(FillReadersTest, SourceHearsOfConsumedBytesAndOfLeaving) {
  first_.reader->consumed(5);
  EXPECT_EQ(consumed_, 1);
  first_.leave();
  EXPECT_EQ(consumed_, 2);
}

TEST_F(FillReadersTest, AllReadersAreTold) {
  readers_.tell();
  for (const Client* client : {&first_, &second_, &third_}) EXPECT_EQ(client->times_told(), 1);
}

TEST_F(FillReadersTest, ReaderMayLeaveWhileItIsTold) {
  first_.when_readable = [&] { first_.leave(); };
  readers_.tell();
  EXPECT_EQ(third_.times_told(), 1);
  EXPECT_EQ(readers_.count(), 2);
}

TEST_F(FillReadersTest, ReaderMayRemoveOthersWhileItIsTold) {
  second_.when_readable = [&] {
    first_.leave();
    third_.leave();
    EXPECT_EQ(readers_.count(), 1);
  };
  readers_.tell();
  EXPECT_EQ(third_.times_told(), 0);
  EXPECT_EQ(readers_.count(), 1);
}

TEST_F(FillReadersTest, ReaderMayAddAnotherWhileItIsTold) {
  Client late;
  third_.when_readable = [&] { late.take(add()); };
  readers_.tell();
  EXPECT_EQ(readers_.count(), 4);
  readers_.tell();
  EXPECT_GE(late.times_told(), 1);
  late.leave();
}

TEST_F(FillReadersTest, ReadersAreNotToldInsideACallThatTellsThem) {
  first_.when_readable = [&] { readers_.tell(); };
  readers_.tell();
  EXPECT_EQ(first_.times_told(), 1);
  EXPECT_EQ(second_.times_told(), 1);
}

TEST_F(FillReadersTest, DismissedReaderKeepsItsReadableBytes) {
  readable_bytes_ = 7;
  fail();
  EXPECT_EQ(first_.reader->readable_bytes(), 4u);
  EXPECT_FALSE(readers_.any());
}

TEST_F(FillReadersTest, DismissedReadersAreToldOfAnError) {
  fail();
  for (const Client* client : {&first_, &second_, &third_}) {
    ASSERT_TRUE(client->failure());
    EXPECT_EQ(client->failure()->code, ErrorCode::kDenied);
  }
}

TEST_F(FillReadersTest, DismissedReadersAreNotToldOfAGoodEnd) {
  readers_.dismiss(Status(), kSizeBytes);
  EXPECT_FALSE(first_.failure());
  EXPECT_EQ(first_.times_told(), 0);
}

TEST_F(FillReadersTest, DismissedReaderNoLongerCallsTheSource) {
  fail();
  first_.reader->consumed(4);
  first_.leave();
  EXPECT_EQ(consumed_, 0);
}

TEST_F(FillReadersTest, ReaderMayRemoveOthersWhileItIsDismissed) {
  second_.when_failed = [&] {
    first_.leave();
    third_.leave();
  };
  fail();
  EXPECT_FALSE(third_.failure());
  EXPECT_FALSE(readers_.any());
}

TEST_F(FillReadersTest, ReadersMayBeDismissedWhileTheyAreTold) {
  first_.when_readable = [&] { fail(); };
  readers_.tell();
  EXPECT_EQ(second_.times_told(), 0);
  EXPECT_TRUE(second_.failure());
  EXPECT_FALSE(readers_.any());
}

TEST_F(FillReadersTest, ReaderWithoutAListenerIsNotTold) {
  first_.reader->listen(nullptr);
  readers_.tell();
  fail();
  EXPECT_EQ(first_.times_told(), 0);
  EXPECT_FALSE(first_.failure());
}

}  // namespace
}  // namespace layby::cache
