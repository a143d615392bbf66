// SPDX-License-Identifier: Apache-2.0
//
// Manifests and indexes as Docker Hub serves them, and one refusal for each field
// that the cache relies on.

#include "layby/oci/manifest.h"

#include <gtest/gtest.h>

#include <string>

namespace layby::oci {
namespace {

constexpr std::string_view kA =
    "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
constexpr std::string_view kB =
    "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

std::string descriptor(std::string_view digest, const std::string& more = "") {
  return R"({"mediaType":"application/x","digest":")" + std::string(digest) + R"(","size":7)" +
         more + "}";
}

class ManifestTest : public ::testing::Test {
 protected:
  void SetUp() override {
    image_ = R"({"schemaVersion":2,"config":)" + descriptor(kA) + R"(,"layers":[)" +
             descriptor(kB) + "]}";
    index_ = R"({"schemaVersion":2,"manifests":[)" +
             descriptor(kA, R"(,"platform":{"os":"linux","architecture":"arm64","variant":"v8"})") +
             "," + descriptor(kB) + "]}";
  }
  void TearDown() override {}

  static std::string with(std::string text, std::string_view from, std::string_view to) {
    text.replace(text.find(from), from.size(), to);
    return text;
  }
  // The message of the refusal, or "accepted".
  static std::string refusal(const std::string& text, std::string_view type = kOciManifest) {
    const Result<Manifest> manifest = parse_manifest(text, type);
    return manifest ? "accepted" : manifest.error().message;
  }
  static bool names(const std::string& message, const std::string& field) {
    return message.find("\"" + field + "\"") != std::string::npos;
  }

  std::string image_;
  std::string index_;
};

TEST_F(ManifestTest, ImageNamesItsConfig) {
  const Result<Manifest> manifest = parse_manifest(image_, kOciManifest);
  ASSERT_TRUE(manifest.ok());
  ASSERT_TRUE(manifest->config);
  EXPECT_EQ(manifest->config->digest.str(), kA);
}

TEST_F(ManifestTest, LayersThatComeFromElsewhereAreForeign) {
  const auto is_foreign = [this](const std::string& layer) {
    const auto manifest = parse_manifest(with(image_, descriptor(kB), layer), kOciManifest);
    return manifest.ok() && manifest->layers.at(0).is_foreign;
  };
  const auto typed = [](std::string_view type) {
    return with(descriptor(kB), "application/x", "application/vnd." + std::string(type));
  };
  EXPECT_TRUE(is_foreign(typed("docker.image.rootfs.foreign.diff.tar.gzip")));
  EXPECT_TRUE(is_foreign(typed("docker.image.rootfs.foreign.diff.tar")));
  EXPECT_TRUE(is_foreign(typed("oci.image.layer.nondistributable.v1.tar")));
  EXPECT_TRUE(is_foreign(typed("oci.image.layer.nondistributable.v1.tar+zstd")));
  EXPECT_TRUE(is_foreign(descriptor(kB, R"(,"urls":["https://example.com/layer"])")));
  EXPECT_FALSE(is_foreign(descriptor(kB, R"(,"urls":[])")));
  EXPECT_FALSE(is_foreign(typed("docker.image.rootfs.diff.tar.gzip")));
  EXPECT_FALSE(is_foreign(typed("oci.image.layer.v1.tar+gzip")));
}

TEST_F(ManifestTest, AListHasAtMostTenThousandEntries) {
  const auto image = [&](std::size_t layers) {
    std::string text = R"({"schemaVersion":2,"config":)" + descriptor(kA) + R"(,"layers":[)";
    for (std::size_t i = 0; i < layers; ++i) text += (i > 0 ? "," : "") + descriptor(kB);
    return text + "]}";
  };
  EXPECT_EQ(refusal(image(10'000)), "accepted");
  EXPECT_EQ(refusal(image(10'001)), "manifest: a list has more than 10,000 entries");
}

TEST_F(ManifestTest, ImageNamesItsLayers) {
  const Result<Manifest> manifest = parse_manifest(image_, kDockerManifest);
  ASSERT_TRUE(manifest.ok());
  ASSERT_EQ(manifest->layers.size(), 1U);
  EXPECT_EQ(manifest->layers[0].digest.str(), kB);
  EXPECT_EQ(manifest->layers[0].size_bytes, 7U);
  EXPECT_EQ(manifest->layers[0].media_type, "application/x");
}

TEST_F(ManifestTest, IndexNamesItsChildren) {
  const Result<Manifest> manifest = parse_manifest(index_, kOciIndex);
  ASSERT_TRUE(manifest.ok());
  ASSERT_EQ(manifest->manifests.size(), 2U);
  EXPECT_EQ(manifest->manifests[0].platform, (Platform{"linux", "arm64", "v8"}));
  EXPECT_EQ(manifest->manifests[1].platform, std::nullopt);
}

TEST_F(ManifestTest, IndexHasNoConfig) {
  EXPECT_FALSE(parse_manifest(index_, kDockerManifestList)->config);
}

TEST_F(ManifestTest, SubjectIsRead) {
  const std::string text = with(image_, "{", R"({"subject":)" + descriptor(kB) + ",");
  const Result<Manifest> manifest = parse_manifest(text, kOciManifest);
  ASSERT_TRUE(manifest.ok());
  ASSERT_TRUE(manifest->subject);
  EXPECT_EQ(manifest->subject->digest.str(), kB);
}

TEST_F(ManifestTest, ContentTypeGivesTheMediaType) {
  EXPECT_EQ(parse_manifest(image_, kDockerManifest)->media_type, kDockerManifest);
}

TEST_F(ManifestTest, ParametersOfTheContentTypeAreCutOff) {
  EXPECT_EQ(parse_manifest(image_, std::string(kOciManifest) + " ; charset=utf-8")->media_type,
            kOciManifest);
}

TEST_F(ManifestTest, MediaTypeInsideWins) {
  const std::string inside = R"({"mediaType":")" + std::string(kOciIndex) + R"(",)";
  EXPECT_EQ(parse_manifest(with(index_, "{", inside), kOciManifest)->media_type, kOciIndex);
}

TEST_F(ManifestTest, EmptyLayersAreFine) {
  const Result<Manifest> manifest =
      parse_manifest(with(image_, "[" + descriptor(kB) + "]", "[]"), kOciManifest);
  ASSERT_TRUE(manifest.ok());
  EXPECT_TRUE(manifest->layers.empty());
}

TEST_F(ManifestTest, NullLayersAreEmpty) {
  EXPECT_EQ(refusal(with(image_, "[" + descriptor(kB) + "]", "null")), "accepted");
}

TEST_F(ManifestTest, UnknownMembersAreIgnored) {
  EXPECT_EQ(refusal(with(image_, "{", R"({"annotations":{"a":"b"},"x":[1,[2]],)")), "accepted");
}

TEST_F(ManifestTest, UnknownContentTypeIsRefused) {
  EXPECT_TRUE(names(refusal(image_, "application/json"), "mediaType"));
}

TEST_F(ManifestTest, MediaTypeOfAnotherTypeIsRefused) {
  EXPECT_TRUE(names(refusal(with(image_, "{", R"({"mediaType":5,)")), "mediaType"));
}

TEST_F(ManifestTest, SchemaVersion1IsRefused) {
  EXPECT_TRUE(names(refusal(with(image_, ":2", ":1")), "schemaVersion"));
}

TEST_F(ManifestTest, ImageWithChildrenIsRefused) {
  EXPECT_TRUE(names(refusal(with(image_, "{", R"({"manifests":[1],)")), "manifests"));
}

TEST_F(ManifestTest, IndexWithLayersIsRefused) {
  EXPECT_TRUE(names(refusal(with(index_, "{", R"({"layers":[1],)"), kOciIndex), "layers"));
}

TEST_F(ManifestTest, IndexWithConfigIsRefused) {
  EXPECT_TRUE(names(refusal(with(index_, "{", R"({"config":{"a":1},)"), kOciIndex), "config"));
}

TEST_F(ManifestTest, MissingConfigIsRefused) {
  EXPECT_TRUE(names(refusal(with(image_, "config", "konfig")), "config"));
}

TEST_F(ManifestTest, MissingLayersAreRefused) {
  EXPECT_TRUE(names(refusal(with(image_, "layers", "lawyers")), "layers"));
}

TEST_F(ManifestTest, MissingChildrenAreRefused) {
  EXPECT_TRUE(names(refusal(with(index_, "manifests", "manifest"), kOciIndex), "manifests"));
}

TEST_F(ManifestTest, LayersThatAreNoListAreRefused) {
  EXPECT_TRUE(names(refusal(with(image_, "[" + descriptor(kB) + "]", "{}")), "layers"));
}

TEST_F(ManifestTest, LayerThatIsNoObjectIsRefused) {
  EXPECT_TRUE(names(refusal(with(image_, descriptor(kB), "7")), "layers[0]"));
}

TEST_F(ManifestTest, RefusalNamesTheFieldOfABadDigest) {
  EXPECT_TRUE(names(refusal(with(image_, kB, "sha256:bb")), "layers[0].digest"));
}

TEST_F(ManifestTest, BadDigestOfTheConfigIsRefused) {
  EXPECT_TRUE(names(refusal(with(image_, kA, "md5:aa")), "config.digest"));
}

TEST_F(ManifestTest, NegativeSizeIsRefused) {
  EXPECT_TRUE(names(refusal(with(image_, R"("size":7)", R"("size":-7)")), "config.size"));
}

TEST_F(ManifestTest, FractionalSizeIsRefused) {
  EXPECT_TRUE(names(refusal(with(image_, R"("size":7)", R"("size":7.5)")), "config.size"));
}

TEST_F(ManifestTest, SizeBeyondFileOffsetsIsRefused) {
  EXPECT_TRUE(
      names(refusal(with(image_, R"("size":7)", R"("size":9223372036854775808)")), "config.size"));
}

TEST_F(ManifestTest, MissingSizeIsRefused) {
  EXPECT_TRUE(names(refusal(with(image_, R"("size":7)", R"("syze":7)")), "config.size"));
}

TEST_F(ManifestTest, PlatformThatIsNoObjectIsRefused) {
  const std::string text =
      R"({"schemaVersion":2,"manifests":[)" + descriptor(kA, R"(,"platform":"linux")") + "]}";
  EXPECT_TRUE(names(refusal(text, kOciIndex), "manifests[0].platform"));
}

TEST_F(ManifestTest, ArchitectureThatIsNoStringIsRefused) {
  EXPECT_TRUE(names(refusal(with(index_, R"("arm64")", "64"), kOciIndex),
                    "manifests[0].platform.architecture"));
}

TEST_F(ManifestTest, BadSubjectIsRefused) {
  EXPECT_TRUE(names(refusal(with(image_, "{", R"({"subject":[],)")), "subject"));
}

TEST_F(ManifestTest, NonJsonIsRefused) {
  EXPECT_EQ(parse_manifest("<html>", kOciManifest).error().code, ErrorCode::kInvalid);
}

TEST_F(ManifestTest, ListIsRefused) { EXPECT_NE(refusal("[]"), "accepted"); }

TEST_F(ManifestTest, MegabytesOfBracketsAreRefused) {
  EXPECT_NE(refusal(std::string(kMaxManifestBytes, '[')), "accepted");
}

TEST_F(ManifestTest, MegabytesOfObjectsAreRefused) {
  std::string text;
  while (text.size() < kMaxManifestBytes - 5) text += "{\"\":";
  EXPECT_NE(refusal(text), "accepted");
}

TEST_F(ManifestTest, LargestManifestIsRead) {
  image_.append(kMaxManifestBytes - image_.size(), ' ');
  EXPECT_EQ(refusal(image_), "accepted");
}

TEST_F(ManifestTest, LargerManifestIsRefused) {
  image_.append(kMaxManifestBytes - image_.size() + 1, ' ');
  EXPECT_NE(refusal(image_), "accepted");
}

TEST_F(ManifestTest, AcceptNamesAllFourKinds) {
  EXPECT_EQ(accept_all_manifests(),
            "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
            "application/vnd.docker.distribution.manifest.list.v2+json, "
            "application/vnd.docker.distribution.manifest.v2+json");
}

TEST_F(ManifestTest, ManifestListsAreIndexes) {
  for (const std::string_view known :
       {kOciIndex, kDockerManifestList, kOciManifest, kDockerManifest}) {
    EXPECT_TRUE(is_manifest_type(known)) << known;
  }
  for (const std::string_view unknown : {"", "text/html", "application/json"}) {
    EXPECT_FALSE(is_manifest_type(unknown)) << unknown;
  }
  EXPECT_TRUE(is_index(kOciIndex));
  EXPECT_TRUE(is_index(kDockerManifestList));
}

TEST_F(ManifestTest, ManifestsAreNotIndexes) {
  EXPECT_FALSE(is_index(kOciManifest));
  EXPECT_FALSE(is_index(kDockerManifest));
}

}  // namespace
}  // namespace layby::oci
