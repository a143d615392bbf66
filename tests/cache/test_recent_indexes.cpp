// SPDX-License-Identifier: Apache-2.0
//
// The names of manifests that can't be had, by the indexes that clients got lately.

#include "cache/recent_indexes.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "layby/oci/manifest.h"

namespace layby::cache {
namespace {

class RecentIndexesTest : public ::testing::Test, protected ContentLookup {
 protected:
  void SetUp() override {}
  void TearDown() override {}

  std::optional<StoredManifest> find_manifest(const oci::Digest& digest) override {
    ++reads_;
    const auto found = stored_.find(digest);
    return found == stored_.end() ? std::nullopt : std::optional(found->second);
  }
  std::optional<std::uint64_t> find_blob(const oci::Digest&) const override { return std::nullopt; }

  static std::string child(const oci::Digest& digest, const std::string& more) {
    return R"({"mediaType":"m","size":1,"digest":")" + digest.str() + "\"," + more + "}";
  }
  // Stores an index of an image and its attestation.
  oci::Digest add_index(const oci::Digest& image, const oci::Digest& attestation,
                        const std::string& architecture = "arm64") {
    const std::string bytes =
        R"({"schemaVersion":2,"manifests":[)" +
        child(image, R"("platform":{"os":"linux","architecture":")" + architecture + "\"}") + "," +
        child(attestation, R"("annotations":{"vnd.docker.reference.type":"attestation-manifest",)"
                           R"("vnd.docker.reference.digest":")" +
                               image.str() + "\"}") +
        "]}";
    const oci::Digest digest = oci::Digest::of(bytes);
    stored_[digest] = {std::make_shared<const std::string>(bytes), std::string(oci::kOciIndex)};
    return digest;
  }
  void note(const oci::Digest& index, const std::string& repository = "library/a") {
    indexes_.note({"docker.io", repository, "1"}, index);
  }
  std::string name(const oci::Digest& digest, const std::string& repository = "library/a") {
    return indexes_.find_name(*this, {"docker.io", repository}, digest).value_or("none");
  }

  const oci::Digest image_ = oci::Digest::of("image");
  const oci::Digest attestation_ = oci::Digest::of("attestation");
  std::map<oci::Digest, StoredManifest> stored_;
  RecentIndexes indexes_;
  int reads_ = 0;
};

TEST_F(RecentIndexesTest, PlatformIsNamed) {
  note(add_index(image_, attestation_));
  EXPECT_EQ(name(image_), "linux/arm64");
}

TEST_F(RecentIndexesTest, AttestationIsNamedByItsPlatform) {
  note(add_index(image_, attestation_));
  EXPECT_EQ(name(attestation_), "attestation of linux/arm64");
}

TEST_F(RecentIndexesTest, OtherManifestsHaveNoName) {
  note(add_index(image_, attestation_));
  EXPECT_EQ(name(oci::Digest::of("other")), "none");
  EXPECT_EQ(name(image_, "library/b"), "none");
}

TEST_F(RecentIndexesTest, LastIndexTellsTheName) {
  const oci::Digest first = add_index(image_, attestation_, "arm64");
  note(first);
  note(add_index(image_, attestation_, "s390x"));
  EXPECT_EQ(name(image_), "linux/s390x");
  note(first);
  EXPECT_EQ(name(image_), "linux/arm64");
}

TEST_F(RecentIndexesTest, IndexThatWasEvictedIsSkipped) {
  note(add_index(image_, attestation_));
  note(oci::Digest::of("evicted"));
  EXPECT_EQ(name(image_), "linux/arm64");
}

TEST_F(RecentIndexesTest, FailureReadsFewIndexes) {
  note(add_index(image_, attestation_));
  for (int i = 0; i < 100; ++i) note(oci::Digest::of(std::to_string(i)));
  EXPECT_EQ(name(image_), "none");
  EXPECT_LE(reads_, 8);
}

}  // namespace
}  // namespace layby::cache
