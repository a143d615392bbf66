// SPDX-License-Identifier: Apache-2.0
//
// The contract of every cache::Store and cache::OperatorStore, as a suite over a harness (see
// store_test.h).

#ifndef LAYBY_TESTS_SUPPORT_STORE_CONTRACT_H_
#define LAYBY_TESTS_SUPPORT_STORE_CONTRACT_H_

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "layby/cache/store.h"
#include "support/store_image.h"
#include "support/store_test.h"

namespace layby::testing {

template <typename Harness>
class StoreContract : public StoreTest<Harness> {};

TYPED_TEST_SUITE_P(StoreContract);

TYPED_TEST_P(StoreContract, AnEmptyStoreKnowsNothing) {
  EXPECT_FALSE(this->store().open_blob(this->digest_));
  EXPECT_FALSE(this->store().find_blob(this->digest_));
  EXPECT_FALSE(this->store().find_manifest(this->digest_));
  EXPECT_FALSE(this->store().find_tag({"docker.io", "library/a", "b"}));
  EXPECT_TRUE(this->store().list_tags("docker.io", "library/a").empty());
  EXPECT_EQ(this->store().usage().blobs, 0u);
  EXPECT_GT(this->store().usage().disk_total_bytes, 0u);
}

TYPED_TEST_P(StoreContract, ABlobIsReportedStepByStepAndReadBack) {
  const WriterLog log = this->write(this->digest_, this->bytes_);
  EXPECT_EQ(log.calls, (std::vector<std::string>{"ready", "written", "verified", "published"}));
  EXPECT_EQ(log.kept, 0u);
  EXPECT_EQ(log.written, this->bytes_.size());
  EXPECT_TRUE(this->stored(this->digest_) == this->bytes_);
}

TYPED_TEST_P(StoreContract, TheSizeOfABlobIsKnownOnceItIsPublished) {
  WriterLog log;
  const auto writer = this->store().write_blob(this->digest_, log);
  writer->append(this->bytes_);
  this->turn_until([&] { return log.written == this->bytes_.size(); });
  EXPECT_FALSE(this->store().find_blob(this->digest_));
  writer->finish();
  this->turn_until([&] { return log.ended(); });
  EXPECT_EQ(this->store().find_blob(this->digest_), this->bytes_.size());
}

TYPED_TEST_P(StoreContract, Sha512IsVerifiedAndKeptToo) {
  const auto digest = oci::Digest::of(this->bytes_, ShaKind::kSha512);
  EXPECT_TRUE(this->write(digest, this->bytes_).published());
  EXPECT_TRUE(this->stored(digest) == this->bytes_);
  EXPECT_FALSE(this->store().open_blob(this->digest_));
}

TYPED_TEST_P(StoreContract, AnEmptyBlobIsABlob) {
  const auto digest = oci::Digest::of("");
  EXPECT_TRUE(this->write(digest, "").published());
  EXPECT_EQ(this->stored(digest), "");
}

TYPED_TEST_P(StoreContract, ManyAppendsMakeOneBlob) {
  WriterLog log;
  const auto writer = this->store().write_blob(this->digest_, log);
  for (std::size_t at = 0; at < this->bytes_.size(); at += 1000) {
    writer->append(this->bytes_.substr(at, 1000));
  }
  writer->finish();
  this->turn_until([&] { return log.ended(); });
  EXPECT_TRUE(log.published());
  EXPECT_TRUE(this->stored(this->digest_) == this->bytes_);
}

TYPED_TEST_P(StoreContract, WrongBytesAreNeverPublishedAndNeverKept) {
  const WriterLog log = this->write(this->digest_, "something else");
  ASSERT_TRUE(log.error);
  EXPECT_EQ(log.error->code, ErrorCode::kCorrupt);
  EXPECT_FALSE(this->store().open_blob(this->digest_));
  const WriterLog again = this->write(this->digest_, this->bytes_);
  EXPECT_EQ(again.kept, 0u);
  EXPECT_TRUE(again.published());
}

TYPED_TEST_P(StoreContract, TheNextWriterContinuesWhereADestroyedOneStopped) {
  WriterLog log;
  auto writer = this->store().write_blob(this->digest_, log);
  writer->append(this->bytes_.substr(0, 1000));
  this->turn_until([&] { return log.written == 1000; });
  writer.reset();

  WriterLog next_log;
  writer = this->store().write_blob(this->digest_, next_log);
  this->turn_until([&] { return next_log.ready(); });
  EXPECT_EQ(next_log.kept, 1000u);
  EXPECT_TRUE(read_all(writer->file()->fd()) == this->bytes_.substr(0, 1000));
  writer->append(this->bytes_.substr(1000));
  writer->finish();
  this->turn_until([&] { return next_log.ended(); });
  EXPECT_TRUE(next_log.published());
  EXPECT_TRUE(this->stored(this->digest_) == this->bytes_);
}

TYPED_TEST_P(StoreContract, ADestroyedWriterReportsNothingMore) {
  WriterLog log;
  auto writer = this->store().write_blob(this->digest_, log);
  writer->append(this->bytes_);
  writer->finish();
  writer.reset();
  EXPECT_TRUE(this->write(oci::Digest::of("other"), "other").published());
  EXPECT_TRUE(log.calls.empty());
}

TYPED_TEST_P(StoreContract, NoCallbackRunsInsideACall) {
  WriterLog log;
  const auto writer = this->store().write_blob(this->digest_, log);
  writer->append(this->bytes_);
  writer->finish();
  bool done = false;
  this->store().put_tag({"u", "r", "t"}, {this->digest_, this->time_},
                        [&](const Status&) { done = true; });
  EXPECT_TRUE(log.calls.empty());
  EXPECT_FALSE(done);
  this->turn_until([&] { return log.ended() && done; });
}

TYPED_TEST_P(StoreContract, QueuedBytesCountUntilTheyAreReportedWritten) {
  WriterLog log;
  const auto writer = this->store().write_blob(this->digest_, log);
  EXPECT_EQ(writer->queued_bytes(), 0u);
  writer->append(this->bytes_.substr(0, 100));
  writer->append(this->bytes_.substr(100, 50));
  EXPECT_EQ(writer->queued_bytes(), 150u);
  this->turn_until([&] { return log.written == 150; });
  EXPECT_EQ(writer->queued_bytes(), 0u);
}

TYPED_TEST_P(StoreContract, TheGrowingFileIsReadableBeforeAndAfterPublishing) {
  WriterLog log;
  const auto writer = this->store().write_blob(this->digest_, log);
  this->turn_until([&] { return log.ready(); });
  const auto file = writer->file();
  writer->append(this->bytes_.substr(0, 5000));
  this->turn_until([&] { return log.written == 5000; });
  EXPECT_TRUE(read_all(file->fd()) == this->bytes_.substr(0, 5000));
  writer->append(this->bytes_.substr(5000));
  writer->finish();
  this->turn_until([&] { return log.ended(); });
  EXPECT_TRUE(read_all(file->fd()) == this->bytes_);
}

TYPED_TEST_P(StoreContract, AWriterMayBeDestroyedInItsLastCallback) {
  std::unique_ptr<cache::BlobWriter> writer;
  for (const std::string& bytes : {this->bytes_, std::string("wrong")}) {
    WriterLog log;
    log.destroy_at_end = &writer;
    writer = this->store().write_blob(oci::Digest::of(bytes == "wrong" ? "right" : bytes), log);
    writer->append(bytes);
    writer->finish();
    this->turn_until([&] { return log.ended(); });
    EXPECT_EQ(writer, nullptr);
  }
}

TYPED_TEST_P(StoreContract, APublishedBlobIsNotWrittenAgain) {
  EXPECT_TRUE(this->write(this->digest_, this->bytes_).published());
  WriterLog log;
  const auto writer = this->store().write_blob(this->digest_, log);
  this->turn_until([&] { return log.ready(); });
  EXPECT_EQ(log.kept, this->bytes_.size());
  EXPECT_TRUE(read_all(writer->file()->fd()) == this->bytes_);
  writer->finish();
  this->turn_until([&] { return log.ended(); });
  EXPECT_EQ(log.calls, (std::vector<std::string>{"ready", "verified", "published"}));
  EXPECT_EQ(this->store().usage().blobs, 1u);
}

TYPED_TEST_P(StoreContract, TwoBlobsAreWrittenAtTheSameTime) {
  const std::string other = some_bytes(200'000, 2);
  WriterLog log;
  WriterLog other_log;
  const auto writer = this->store().write_blob(this->digest_, log);
  const auto other_writer = this->store().write_blob(oci::Digest::of(other), other_log);
  for (std::size_t at = 0; at < this->bytes_.size(); at += 50'000) {
    writer->append(this->bytes_.substr(at, 50'000));
    if (at < other.size()) other_writer->append(other.substr(at, 50'000));
  }
  writer->finish();
  other_writer->finish();
  this->turn_until([&] { return log.ended() && other_log.ended(); });
  EXPECT_TRUE(this->stored(this->digest_) == this->bytes_);
  EXPECT_TRUE(this->stored(oci::Digest::of(other)) == other);
}

TYPED_TEST_P(StoreContract, AManifestIsFoundAsPut) {
  const std::string bytes = "{\"schemaVersion\":2}" + std::string(1, '\0') + "tail";
  bool done = false;
  this->store().put_manifest(oci::Digest::of(bytes),
                             {std::make_shared<const std::string>(bytes), "application/json"},
                             [&](const Status& status) { done = status.ok(); });
  this->turn_until([&] { return done; });
  const auto found = this->store().find_manifest(oci::Digest::of(bytes));
  ASSERT_TRUE(found);
  EXPECT_EQ(*found->bytes, bytes);
  EXPECT_EQ(found->media_type, "application/json");
}

TYPED_TEST_P(StoreContract, AManifestOfFourMebibytesFits) {
  const auto bytes = std::make_shared<const std::string>(some_bytes(4 << 20));
  bool done = false;
  this->store().put_manifest(oci::Digest::of(*bytes), {bytes, "m"},
                             [&](const Status& status) { done = status.ok(); });
  this->turn_until([&] { return done; });
  EXPECT_TRUE(*this->store().find_manifest(oci::Digest::of(*bytes))->bytes == *bytes);
}

TYPED_TEST_P(StoreContract, ATagIsFoundAsLastPut) {
  const cache::TagKey key{"docker.io", "library/debian", "12"};
  this->put_tag(key, {oci::Digest::of("old"), this->time_});
  this->put_tag(key, {this->digest_, this->time_ + std::chrono::seconds(5)});
  const auto found = this->store().find_tag(key);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->digest, this->digest_);
  EXPECT_EQ(found->checked_at, this->time_ + std::chrono::seconds(5));
}

TYPED_TEST_P(StoreContract, TagsOfOneRepositoryAreListedSorted) {
  const cache::StoredTag tag{this->digest_, this->time_};
  for (const char* name : {"b", "a", "c-1", "B", "10", "9"}) this->put_tag({"u", "r", name}, tag);
  this->put_tag({"u", "r2", "x"}, tag);
  this->put_tag({"u2", "r", "y"}, tag);
  this->put_tag({"u", "", "r"}, tag);
  EXPECT_EQ(this->store().list_tags("u", "r"),
            (std::vector<std::string>{"10", "9", "B", "a", "b", "c-1"}));
  EXPECT_EQ(this->store().list_tags("u2", "r"), (std::vector<std::string>{"y"}));
}

TYPED_TEST_P(StoreContract, TheLongestNamesFit) {
  const cache::TagKey key{std::string(255, 'u'), std::string(255, 'r'), std::string(128, 't')};
  this->put_tag(key, {this->digest_, this->time_});
  EXPECT_TRUE(this->store().find_tag(key));
  EXPECT_EQ(this->store().list_tags(key.upstream, key.repository),
            (std::vector<std::string>{key.tag}));
}

TYPED_TEST_P(StoreContract, WritesAreDoneInOrder) {
  std::vector<int> order;
  for (int i = 0; i < 20; ++i) {
    this->store().put_tag({"u", "r", std::to_string(i % 3)},
                          {oci::Digest::of(std::to_string(i)), this->time_},
                          [&order, i](const Status&) { order.push_back(i); });
  }
  this->store().put_tag({"u", "r", "without done"}, {this->digest_, this->time_}, nullptr);
  this->turn_until([&] { return order.size() == 20; });
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  EXPECT_EQ(this->store().find_tag({"u", "r", "1"})->digest, oci::Digest::of("19"));
}

TYPED_TEST_P(StoreContract, UsageCountsWhatIsStored) {
  this->write(this->digest_, this->bytes_);
  this->write(oci::Digest::of("four"), "four");
  this->put_tag({"u", "r", "t"}, {this->digest_, this->time_});
  this->put_tag({"u", "r", "t"}, {this->digest_, this->time_});
  const cache::StoreUsage usage = this->store().usage();
  EXPECT_EQ(usage.blobs, 2u);
  EXPECT_EQ(usage.blob_bytes, this->bytes_.size() + 4);
  EXPECT_EQ(usage.manifests, 0u);
  EXPECT_EQ(usage.tags, 1u);
}

TYPED_TEST_P(StoreContract, APinNeedsNoImageAndHoldsUntilItIsRemoved) {
  const cache::TagKey key{"u", "r", "t"};
  const cache::TagKey by_digest{"u", "r", this->digest_.str()};
  for (const cache::TagKey& one : {key, by_digest}) {
    EXPECT_EQ(this->pin(one), false);
    EXPECT_EQ(this->pin(one), true);
    EXPECT_EQ(this->unpin(one), true);
    EXPECT_EQ(this->unpin(one), false);
  }
}

TYPED_TEST_P(StoreContract, AnUnknownImageCannotBeEvicted) {
  EXPECT_EQ(this->evict_image({"u", "r", "t"}).error().code, ErrorCode::kNotFound);
}

TYPED_TEST_P(StoreContract, APinnedImageCannotBeEvicted) {
  const cache::TagKey key{"u", "r", "t"};
  this->put_tag(key, {this->digest_, this->time_});
  this->pin(key);
  EXPECT_EQ(this->evict_image(key).error().code, ErrorCode::kDenied);
  EXPECT_TRUE(this->store().find_tag(key));
  this->unpin(key);
  EXPECT_TRUE(this->evict_image(key).ok());
  EXPECT_FALSE(this->store().find_tag(key));
  EXPECT_EQ(this->evict_image(key).error().code, ErrorCode::kNotFound);
}

TYPED_TEST_P(StoreContract, AListedImageCannotBeEvictedUntilTheListDropsIt) {
  const cache::TagKey key{"u", "r", "t"};
  const cache::TagKey other{"u", "r", "other"};
  this->set_list_pins({other, key, key});  // The tag doesn't exist yet.
  this->put_tag(key, {this->digest_, this->time_});
  const auto refused = this->evict_image(key);
  EXPECT_EQ(refused.error().code, ErrorCode::kDenied);
  EXPECT_NE(refused.error().message.find("prefetch list"), std::string::npos);
  this->set_list_pins({other});
  EXPECT_TRUE(this->evict_image(key).ok());
}

TYPED_TEST_P(StoreContract, APinByHandAndAPinByTheListAreIndependent) {
  const cache::TagKey key{"u", "r", "t"};
  this->put_tag(key, {this->digest_, this->time_});
  this->set_list_pins({key});
  EXPECT_EQ(this->pin(key), false);
  EXPECT_EQ(this->unpin(key), true);
  EXPECT_EQ(this->evict_image(key).error().code, ErrorCode::kDenied);
  this->pin(key);
  this->set_list_pins({});
  EXPECT_EQ(this->evict_image(key).error().code, ErrorCode::kDenied);
  EXPECT_EQ(this->unpin(key), true);
  EXPECT_TRUE(this->evict_image(key).ok());
}

TYPED_TEST_P(StoreContract, ToldWhichPartsOfAnImageAreStored) {
  const TestManifest amd64 = make_manifest("config", {this->bytes_, "missing"});
  const TestManifest arm64 = make_manifest("config", {"of arm64"});
  const TestManifest index = make_index({{amd64, "amd64"}, {arm64, "arm64"}});
  this->write(this->digest_, this->bytes_);
  for (const TestManifest* manifest : {&amd64, &index}) {
    this->store().put_manifest(manifest->digest, manifest->stored(), nullptr);
  }
  this->turn_until([&] { return this->store().find_manifest(index.digest).has_value(); });

  const auto parts = this->find_parts(index.digest, "linux/amd64");

  EXPECT_TRUE(parts.missing_manifests.empty());
  ASSERT_EQ(parts.blobs.size(), 3u);
  EXPECT_EQ(parts.missing_bytes(), std::string("config").size() + std::string("missing").size());
  EXPECT_FALSE(parts.whole());
  EXPECT_EQ(this->find_parts(index.digest, "linux/arm64").missing_manifests,
            (std::vector<oci::Digest>{arm64.digest}));
}

TYPED_TEST_P(StoreContract, ADroppedQuestionForPartsIsNotAnswered) {
  bool answered = false;
  Handle question =
      this->store().find_parts(this->digest_, {}, [&](const auto&) { answered = true; });
  question.reset();

  this->find_parts(this->digest_, "linux/amd64");
  EXPECT_FALSE(answered);
}

TYPED_TEST_P(StoreContract, AnUngrantedDigestIsOpen) {
  EXPECT_EQ(this->store().grant_state(this->digest_, {"u", "r"}), cache::GrantState::kPublic);
  EXPECT_TRUE(this->write(this->digest_, this->bytes_).published());
  EXPECT_EQ(this->store().grant_state(this->digest_, {"u", "r"}), cache::GrantState::kPublic);
}

TYPED_TEST_P(StoreContract, AGrantHoldsAtOnceAndForItsRepositoryOnly) {
  this->store().grant(this->digest_, {"u", "r"});
  const auto expect_granted = [this] {
    EXPECT_EQ(this->store().grant_state(this->digest_, {"u", "r"}), cache::GrantState::kGranted);
    EXPECT_EQ(this->store().grant_state(this->digest_, {"u", "r2"}), cache::GrantState::kUnknown);
    EXPECT_EQ(this->store().grant_state(this->digest_, {"u2", "r"}), cache::GrantState::kUnknown);
    EXPECT_EQ(this->store().grant_state(this->digest_, {"ur", ""}), cache::GrantState::kUnknown);
    EXPECT_EQ(this->store().grant_state(oci::Digest::of("other"), {"u", "r"}),
              cache::GrantState::kPublic);
  };
  expect_granted();
  EXPECT_TRUE(this->write(this->digest_, this->bytes_).published());
  expect_granted();
  this->put_tag({"u", "r", "t"}, {this->digest_, this->time_});  // Done after all earlier writes.
  expect_granted();
}

TYPED_TEST_P(StoreContract, ADigestIsGrantedToSeveralRepositories) {
  const auto digest = oci::Digest::of("{}", ShaKind::kSha512);
  this->store().grant(digest, {"u", "r"});
  bool done = false;
  this->store().put_manifest(digest, {std::make_shared<const std::string>("{}"), "m"},
                             [&](const Status& status) { done = status.ok(); });
  this->turn_until([&] { return done; });
  EXPECT_EQ(this->store().grant_state(digest, {"u", "r2"}), cache::GrantState::kUnknown);
  this->store().grant(digest, {"u", "r2"});
  for (const char* repository : {"r", "r2"}) {
    EXPECT_EQ(this->store().grant_state(digest, {"u", repository}), cache::GrantState::kGranted);
  }
  EXPECT_EQ(this->store().grant_state(oci::Digest::of("{}"), {"u", "r"}),
            cache::GrantState::kPublic);
}

TYPED_TEST_P(StoreContract, AnEmptyStoreHasNothingToEvictOrToList) {
  std::optional<cache::EvictedSum> sum;
  this->store().evict(1000, [&](const auto& given) { sum = *given; });
  std::optional<cache::Catalog> catalog;
  this->operator_store().list_images([&](const auto& given) { catalog = *given; });
  EXPECT_FALSE(sum || catalog) << "inside the call";
  this->turn_until([&] { return sum && catalog; });
  EXPECT_EQ(sum->blobs, 0u);
  EXPECT_EQ(sum->blob_bytes, 0u);
  EXPECT_TRUE(catalog->images.empty());
}

TYPED_TEST_P(StoreContract, TouchingAnAbsentObjectIsHarmless) {
  this->store().touch_blob(this->digest_);
  this->store().touch_manifest(this->digest_);
  EXPECT_TRUE(this->write(this->digest_, this->bytes_).published());
  this->store().touch_blob(this->digest_);
  EXPECT_TRUE(this->stored(this->digest_) == this->bytes_);
}

TYPED_TEST_P(StoreContract, ABlobThatIsNotKeptIsStillVerified) {
  WriterLog log;
  const auto writer = this->store().write_blob(this->digest_, log);
  writer->append(this->bytes_.substr(0, 1000));
  this->turn_until([&] { return log.written == 1000; });
  writer->stop_keeping();
  writer->append(this->bytes_.substr(1000));
  writer->finish();
  this->turn_until([&] { return log.ended(); });
  EXPECT_EQ(log.calls,
            (std::vector<std::string>{"ready", "written", "unkept", "written", "verified"}));
  EXPECT_FALSE(this->store().open_blob(this->digest_));
}

TYPED_TEST_P(StoreContract, BytesWrittenAheadAreReadAtOnceAndAppendedLater) {
  WriterLog log;
  const auto writer = this->store().write_blob(this->digest_, log);
  const std::size_t half = this->bytes_.size() / 2;
  const std::string second = this->bytes_.substr(half);
  this->turn_until([&] { return log.ready(); });
  writer->write_ahead(half, second.substr(0, 100));
  writer->write_ahead(half + 100, second.substr(100));
  EXPECT_EQ(writer->queued_bytes(), second.size());
  this->turn_until([&] { return log.ahead_bytes == second.size(); });
  EXPECT_EQ(log.ahead_end, this->bytes_.size());
  EXPECT_EQ(writer->queued_bytes(), 0u);
  std::string read(second.size(), '\0');
  const int fd = writer->file()->part_at(half).fd;
  EXPECT_EQ(::pread(fd, read.data(), read.size(), static_cast<off_t>(half)),
            static_cast<ssize_t>(read.size()));
  EXPECT_TRUE(read == second);
  writer->append(this->bytes_.substr(0, half));
  writer->append_written(second.size());
  EXPECT_EQ(writer->queued_bytes(), this->bytes_.size());
  writer->finish();
  this->turn_until([&] { return log.ended(); });
  EXPECT_TRUE(log.published());
  EXPECT_EQ(log.written, this->bytes_.size());
  EXPECT_TRUE(this->stored(this->digest_) == this->bytes_);
}

TYPED_TEST_P(StoreContract, BytesWrittenAheadAreNotKeptForTheNextWriter) {
  WriterLog first;
  auto writer = this->store().write_blob(this->digest_, first);
  writer->append(this->bytes_.substr(0, 1000));
  writer->write_ahead(5000, this->bytes_.substr(5000));
  this->turn_until([&] { return first.written == 1000 && first.ahead_bytes > 0; });
  writer.reset();
  WriterLog next;
  writer = this->store().write_blob(this->digest_, next);
  this->turn_until([&] { return next.ready(); });
  EXPECT_EQ(next.kept, 1000u);
  EXPECT_FALSE(next.whole);
}

TYPED_TEST_P(StoreContract, UnkeptBlobTakesNoBytesAhead) {
  WriterLog log;
  const auto writer = this->store().write_blob(this->digest_, log);
  this->turn_until([&] { return log.ready(); });
  writer->stop_keeping();
  writer->write_ahead(5000, this->bytes_.substr(5000));
  this->turn_until([&] { return log.ahead_error.has_value(); });
  EXPECT_EQ(writer->queued_bytes(), 0u);
  writer->append(this->bytes_);
  writer->finish();
  this->turn_until([&] { return log.ended(); });
  EXPECT_FALSE(log.error);
}

REGISTER_TYPED_TEST_SUITE_P(
    StoreContract, ToldWhichPartsOfAnImageAreStored, ADroppedQuestionForPartsIsNotAnswered,
    AnUngrantedDigestIsOpen, AGrantHoldsAtOnceAndForItsRepositoryOnly,
    ADigestIsGrantedToSeveralRepositories, AListedImageCannotBeEvictedUntilTheListDropsIt,
    APinByHandAndAPinByTheListAreIndependent, AnEmptyStoreKnowsNothing,
    ABlobIsReportedStepByStepAndReadBack, TheSizeOfABlobIsKnownOnceItIsPublished,
    Sha512IsVerifiedAndKeptToo, AnEmptyBlobIsABlob, ManyAppendsMakeOneBlob,
    WrongBytesAreNeverPublishedAndNeverKept, TheNextWriterContinuesWhereADestroyedOneStopped,
    ADestroyedWriterReportsNothingMore, NoCallbackRunsInsideACall,
    QueuedBytesCountUntilTheyAreReportedWritten, TheGrowingFileIsReadableBeforeAndAfterPublishing,
    AWriterMayBeDestroyedInItsLastCallback, APublishedBlobIsNotWrittenAgain,
    TwoBlobsAreWrittenAtTheSameTime, AManifestIsFoundAsPut, AManifestOfFourMebibytesFits,
    ATagIsFoundAsLastPut, TagsOfOneRepositoryAreListedSorted, TheLongestNamesFit,
    WritesAreDoneInOrder, UsageCountsWhatIsStored, APinNeedsNoImageAndHoldsUntilItIsRemoved,
    AnUnknownImageCannotBeEvicted, APinnedImageCannotBeEvicted,
    AnEmptyStoreHasNothingToEvictOrToList, TouchingAnAbsentObjectIsHarmless,
    ABlobThatIsNotKeptIsStillVerified, BytesWrittenAheadAreReadAtOnceAndAppendedLater,
    BytesWrittenAheadAreNotKeptForTheNextWriter, UnkeptBlobTakesNoBytesAhead);

}  // namespace layby::testing

#endif  // LAYBY_TESTS_SUPPORT_STORE_CONTRACT_H_
