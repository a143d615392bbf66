// SPDX-License-Identifier: Apache-2.0
//
// The prefetch list: its defaults, each kind of fault with its line, and images that the
// configuration doesn't serve.

#include "layby/app/prefetch_list.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "support/temp_dir.h"

namespace layby::app {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

class PrefetchListTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {}

  static PrefetchListConfig whole(const std::string& json) {
    PrefetchListOutcome outcome = parse_prefetch_list(json);
    for (const ConfigFault& fault : outcome.faults) {
      ADD_FAILURE() << fault.path << ": " << fault.message;
    }
    return std::move(outcome.list);
  }

  // "line path: message" of the only fault.
  static std::string fault_of(const std::string& json) {
    const PrefetchListOutcome outcome = parse_prefetch_list(json);
    if (outcome.faults.size() != 1) return std::to_string(outcome.faults.size()) + " faults";
    const ConfigFault& fault = outcome.faults.front();
    return std::to_string(fault.line) + " " + fault.path + ": " + fault.message;
  }
  static std::string image_fault(const std::string& members) {
    return fault_of(R"({"images": [{"image": "python", )" + members + "}]}");
  }

  testing::TempDir folder_;
};

TEST_F(PrefetchListTest, EmptyTextIsAnEmptyList) {
  const PrefetchListConfig list = whole("");
  EXPECT_TRUE(list.images.empty());
  EXPECT_EQ(list.every, hours(6));
  EXPECT_EQ(list.hold, hours(24));
  EXPECT_EQ(list.concurrency, 2);
}

TEST_F(PrefetchListTest, AllKeysAreRead) {
  const PrefetchListConfig list = whole(R"({ // a comment
    "every": "90m", "window": "22:00-06:00", "max_rate": "2MB/s", "concurrency": 4, "hold": "1h",
    "splay": "20m",
    "images": [
      {"image": "python", "tags": ["3.12-*", ">=3.12 <3.14 -slim"],
       "platforms": ["linux/amd64", "linux/arm/v7"], "attestations": true, "pin": true},
      {"image": "ghcr.io/acme/tool"}]})");
  EXPECT_EQ(list.every, minutes(90));
  EXPECT_EQ(list.window, "22:00-06:00");
  EXPECT_EQ(list.splay, minutes(20));
  EXPECT_EQ(list.max_rate, 2'000'000u);
  EXPECT_EQ(list.concurrency, 4);
  EXPECT_EQ(list.hold, hours(1));
  ASSERT_EQ(list.images.size(), 2u);
  EXPECT_EQ(list.images[0].tags, (std::vector<std::string>{"3.12-*", ">=3.12 <3.14 -slim"}));
  EXPECT_EQ(list.images[0].platforms, (std::vector<std::string>{"linux/amd64", "linux/arm/v7"}));
  EXPECT_TRUE(list.images[0].attestations);
  EXPECT_TRUE(list.images[0].pin);
  EXPECT_EQ(list.images[0].line, 5);
  EXPECT_EQ(list.images[1].tags, std::vector<std::string>{"latest"});
  EXPECT_EQ(list.images[1].platforms, std::vector<std::string>{"linux/amd64"});
  EXPECT_FALSE(list.images[1].pin);
}

TEST_F(PrefetchListTest, FaultsHaveTheirLine) {
  const PrefetchListOutcome outcome = parse_prefetch_list(R"({
    "every": "1s",
    "images": [
      {"image": "python",
       "tags": ["3.12",
                ">=3.x"]},
      {"tags": ["1"]}
    ]})");
  ASSERT_EQ(outcome.faults.size(), 3u);
  EXPECT_EQ(outcome.faults[0].line, 2);
  EXPECT_EQ(outcome.faults[1].line, 6);
  EXPECT_EQ(outcome.faults[1].path, "images[0].tags[1]");
  EXPECT_EQ(outcome.faults[2].line, 7);
  EXPECT_EQ(outcome.faults[2].path, "images[1].image");
}

TEST_F(PrefetchListTest, SyntaxFaultsHaveTheirPlaceInThePath) {
  EXPECT_EQ(fault_of("{\n \"every\": \n}").substr(0, 19), "0 line 3, column 1:");
}

TEST_F(PrefetchListTest, ImagesAreNamedWithoutTags) {
  EXPECT_NE(fault_of(R"({"images": [{"image": "python:3.12"}]})").find("under \"tags\""),
            std::string::npos);
  EXPECT_NE(fault_of(R"({"images": [{"image": "Python"}]})").find("is not an image"),
            std::string::npos);
  EXPECT_EQ(whole(R"({"images": [{"image": "host:5000/tool"}]})").images.size(), 1u);
}

TEST_F(PrefetchListTest, ValuesAreChecked) {
  EXPECT_NE(image_fault(R"("tags": [])").find("is empty"), std::string::npos);
  EXPECT_NE(image_fault(R"("tags": "3")").find("a list of texts"), std::string::npos);
  EXPECT_NE(image_fault(R"("platforms": ["linux"])").find("linux/amd64"), std::string::npos);
  EXPECT_NE(image_fault(R"("pin": 1)").find("must be true or false, not 1"), std::string::npos);
  EXPECT_NE(fault_of(R"({"window": "1-5"})").find("01:00-05:00"), std::string::npos);
  EXPECT_NE(fault_of(R"({"max_rate": "1KiB/s"})").find("at least 64KiB"), std::string::npos);
  EXPECT_NE(fault_of(R"({"evry": "1h"})").find("did you mean \"every\"?"), std::string::npos);
  EXPECT_NE(fault_of(R"({"zzzzzzzz": 1})").find("`layby config reference --prefetch`"),
            std::string::npos);
}

TEST_F(PrefetchListTest, MissingFileIsAnEmptyList) {
  const PrefetchListOutcome outcome = load_prefetch_list(folder_.path() + "/none.json");
  EXPECT_TRUE(outcome.faults.empty());
  EXPECT_TRUE(outcome.list.images.empty());
}

TEST_F(PrefetchListTest, FolderInPlaceOfTheFileIsAFault) {
  EXPECT_EQ(load_prefetch_list(folder_.path()).faults.size(), 1u);
}

TEST_F(PrefetchListTest, UnservedImagesAreReportedWithTheirLine) {
  Config config;
  config.upstreams[0].deny = {"library/redis"};
  const PrefetchListConfig list = whole(R"({"images": [
    {"image": "python"},
    {"image": "ghcr.io/acme/tool"},
    {"image": "acme/tool"},
    {"image": "redis"}]})");
  const auto faults = unserved(list, config);
  ASSERT_EQ(faults.size(), 3u);
  EXPECT_EQ(faults[0].path, "images[1].image");
  EXPECT_EQ(faults[0].line, 3);
  EXPECT_NE(faults[0].message.find("ghcr.io"), std::string::npos);
  EXPECT_NE(faults[1].message.find("\"allow\""), std::string::npos);
  EXPECT_EQ(faults[2].line, 5);
}

TEST_F(PrefetchListTest, DocsMatchTheReference) {
  std::ifstream file(LAYBY_SOURCE_DIR "/docs/prefetch.md");
  const std::string docs{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  EXPECT_EQ(docs, prefetch_list_reference())
      << "run: build/release/layby config reference --prefetch > docs/prefetch.md";
}

TEST_F(PrefetchListTest, SchemaNamesRequiredKeys) {
  const std::string schema = prefetch_list_schema();
  EXPECT_NE(schema.find("\"platforms\""), std::string::npos);
  EXPECT_NE(schema.find("\"required\""), std::string::npos);
}

}  // namespace
}  // namespace layby::app
