// SPDX-License-Identifier: Apache-2.0

#include "layby/events/record.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <variant>

#include "events/every_event.h"

namespace layby::events {
namespace {

const WallTime kAt{std::chrono::milliseconds(1'700'000'000'123)};

class RecordTest : public ::testing::Test {
 protected:
  EveryEvent every_;
};

TEST_F(RecordTest, EveryKindOfEventIsInTheList) {
  std::set<std::size_t> kinds;
  for (const Event& event : every_.all()) kinds.insert(event.index());
  EXPECT_EQ(kinds.size(), std::variant_size_v<Event>);
}

TEST_F(RecordTest, EveryKindHasANameOfItsOwn) {
  std::set<std::pair<std::string, std::size_t>> names;
  std::set<std::string> alone;
  for (const Event& event : every_.all()) names.emplace(kind_of(event), event.index());
  for (const auto& [name, index] : names) alone.insert(name);
  EXPECT_EQ(alone.size(), names.size());
}

TEST_F(RecordTest, EveryEventHasASentenceWithoutAFullStop) {
  for (const Event& event : every_.all()) {
    const Record record = record_of(event, kAt);
    EXPECT_FALSE(record.text.empty()) << record.kind;
    EXPECT_NE(record.text.back(), '.') << record.kind;
  }
}

TEST_F(RecordTest, EveryRecordComesBackFromItsLine) {
  for (const Event& event : every_.all()) {
    Record record = record_of(event, kAt);
    record.number = 7;
    const std::string line = to_json(record);
    EXPECT_EQ(line.find('\n'), std::string::npos) << line;
    EXPECT_EQ(parse_record(line), record) << line;
  }
}

TEST_F(RecordTest, NamesImagesByTagAndBlobsByDigest) {
  const oci::Digest digest = oci::Digest::of("x");
  const Error error{ErrorCode::kUnavailable, "refused"};
  EXPECT_EQ(record_of(ManifestFailed{{"docker.io", "library/debian", "12"}, error}, kAt).text,
            "library/debian:12: refused");
  EXPECT_EQ(record_of(FillFailed{{"docker.io", "library/debian", digest.str()}, error}, kAt).text,
            "library/debian@" + digest.str() + ": given up: refused");
}

TEST_F(RecordTest, KeepsPullsFromUpstreamAndNoHits) {
  const oci::Digest digest = oci::Digest::of("x");
  EXPECT_TRUE(is_kept(Pulled{{}, digest, Served::kFetched}));
  EXPECT_FALSE(is_kept(Pulled{{}, digest, Served::kCached}));
  EXPECT_FALSE(is_kept(Pulled{{}, digest, Served::kStale}));
}

TEST_F(RecordTest, SaysWhatToDoAboutAFullDisk) {
  const Error full{ErrorCode::kNoSpace, "no space"};
  const Error other{ErrorCode::kIo, "I/O error"};
  EXPECT_NE(record_of(FillUnkept{{}, full}, kAt).text.find("cache.max_bytes"), std::string::npos);
  EXPECT_EQ(record_of(FillUnkept{{}, other}, kAt).text.find("cache.max_bytes"), std::string::npos);
}

TEST_F(RecordTest, AnUpstreamsBytesThatAreNoUtf8StayALine) {
  const Error error{ErrorCode::kUnavailable, "\xff\x01\n"};
  const std::string line = to_json(record_of(ManifestFailed{{}, error}, kAt));
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_TRUE(parse_record(line));
}

TEST_F(RecordTest, RefusesLinesThatAreNoRecord) {
  const std::string good =
      R"({"number":1,"at_ms":5,"kind":"a","severity":"info","text":"b","fields":{"n":1}})";
  EXPECT_TRUE(parse_record(good));
  const auto changed = [&good](const std::string& from, const std::string& to) {
    std::string line = good;
    return line.replace(line.find(from), from.size(), to);
  };
  EXPECT_FALSE(parse_record(""));
  EXPECT_FALSE(parse_record("[]"));
  EXPECT_FALSE(parse_record(good.substr(0, good.size() - 1)));
  EXPECT_FALSE(parse_record(changed("\"number\":1", "\"number\":-1")));
  EXPECT_FALSE(parse_record(changed("\"number\":1", "\"number\":\"1\"")));
  EXPECT_FALSE(parse_record(changed("\"at_ms\":5", "\"at_ms\":null")));
  EXPECT_FALSE(parse_record(changed("\"at_ms\":5", "\"at_ms\":-5")));
  EXPECT_FALSE(parse_record(changed("\"at_ms\":5", "\"at_ms\":9223372036854775807")));
  EXPECT_FALSE(parse_record(changed("\"at_ms\":5", "\"at_ms\":18446744073709551615")));
  EXPECT_FALSE(parse_record(changed("\"kind\":\"a\",", "")));
  EXPECT_FALSE(parse_record(changed("info", "loud")));
  EXPECT_FALSE(parse_record(changed("\"text\":\"b\",", "")));
  EXPECT_FALSE(parse_record(changed("{\"n\":1}", "[1]")));
  EXPECT_FALSE(parse_record(changed("\"n\":1}", "\"n\":[1]}")));
}

}  // namespace
}  // namespace layby::events
