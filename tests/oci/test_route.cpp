// SPDX-License-Identifier: Apache-2.0
//
// Routes from paths: each endpoint, names that look like endpoints, and paths whose parts have
// escapes or dots.

#include "layby/oci/route.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace layby::oci {
namespace {

class RouteTest : public ::testing::Test {
 protected:
  void SetUp() override { digest_ = Digest::of("abc").str(); }
  void TearDown() override {}

  // A route as one line: "manifest library/debian bookworm".
  static std::string show(const std::string& path) {
    const Route route = parse_route(path);
    if (std::holds_alternative<PingRoute>(route)) return "ping";
    if (const auto* r = std::get_if<ManifestRoute>(&route)) {
      return "manifest " + r->repository + " " + to_string(r->reference);
    }
    if (const auto* r = std::get_if<BlobRoute>(&route)) {
      return "blob " + r->repository + " " + r->digest.str();
    }
    if (const auto* r = std::get_if<TagsRoute>(&route)) return "tags " + r->repository;
    if (const auto* r = std::get_if<ReferrersRoute>(&route)) {
      return "referrers " + r->repository + " " + r->digest.str();
    }
    if (const auto* r = std::get_if<UploadRoute>(&route)) return "upload " + r->repository;
    return std::string(to_string(std::get<BadRoute>(route).code));
  }

  std::string digest_;
};

TEST_F(RouteTest, PingWithSlash) { EXPECT_EQ(show("/v2/"), "ping"); }

TEST_F(RouteTest, PingWithoutSlash) { EXPECT_EQ(show("/v2"), "ping"); }

TEST_F(RouteTest, ManifestByTag) {
  EXPECT_EQ(show("/v2/library/debian/manifests/bookworm"), "manifest library/debian bookworm");
}

TEST_F(RouteTest, ManifestByDigest) {
  EXPECT_EQ(show("/v2/a/manifests/" + digest_), "manifest a " + digest_);
}

TEST_F(RouteTest, ManifestRouteHoldsADigestAsADigest) {
  const Route route = parse_route("/v2/a/manifests/" + digest_);
  ASSERT_TRUE(std::holds_alternative<ManifestRoute>(route));
  EXPECT_TRUE(std::holds_alternative<Digest>(std::get<ManifestRoute>(route).reference));
}

TEST_F(RouteTest, RepositoryStaysUnchanged) {
  EXPECT_EQ(show("/v2/debian/manifests/latest"), "manifest debian latest");
}

TEST_F(RouteTest, Blob) { EXPECT_EQ(show("/v2/a/b/blobs/" + digest_), "blob a/b " + digest_); }

TEST_F(RouteTest, Tags) { EXPECT_EQ(show("/v2/a/b/tags/list"), "tags a/b"); }

TEST_F(RouteTest, Referrers) {
  EXPECT_EQ(show("/v2/a/referrers/" + digest_), "referrers a " + digest_);
}

TEST_F(RouteTest, UploadStart) { EXPECT_EQ(show("/v2/a/blobs/uploads/"), "upload a"); }

TEST_F(RouteTest, UploadStartWithoutSlash) { EXPECT_EQ(show("/v2/a/blobs/uploads"), "upload a"); }

TEST_F(RouteTest, UploadSession) { EXPECT_EQ(show("/v2/a/b/blobs/uploads/id-1"), "upload a/b"); }

TEST_F(RouteTest, NameMayBeCalledManifests) {
  EXPECT_EQ(show("/v2/manifests/manifests/manifests"), "manifest manifests manifests");
}

TEST_F(RouteTest, NameMayEndInBlobs) {
  EXPECT_EQ(show("/v2/a/blobs/manifests/latest"), "manifest a/blobs latest");
}

TEST_F(RouteTest, NameMayEndInBlobsUploads) {
  EXPECT_EQ(show("/v2/blobs/uploads/blobs/" + digest_), "blob blobs/uploads " + digest_);
}

TEST_F(RouteTest, NameMayBeCalledTags) { EXPECT_EQ(show("/v2/tags/tags/list"), "tags tags"); }

TEST_F(RouteTest, TagMayBeCalledList) {
  EXPECT_EQ(show("/v2/a/tags/manifests/list"), "manifest a/tags list");
}

TEST_F(RouteTest, EscapedColonIsAColon) {
  EXPECT_EQ(show("/v2/a/blobs/sha256%3A" + digest_.substr(7)), "blob a " + digest_);
}

TEST_F(RouteTest, EscapedSlashIsASlash) {
  EXPECT_EQ(show("/v2/library%2Fdebian/tags/list"), "tags library/debian");
}

TEST_F(RouteTest, SlashEscapedTwiceIsNoName) {
  EXPECT_EQ(show("/v2/library%252Fdebian/tags/list"), "NAME_INVALID");
}

TEST_F(RouteTest, ParentDirectoryIsNoName) {
  EXPECT_EQ(show("/v2/a/../b/manifests/latest"), "NAME_INVALID");
}

TEST_F(RouteTest, EscapedParentDirectoryIsNoName) {
  EXPECT_EQ(show("/v2/a/%2e%2e/b/manifests/latest"), "NAME_INVALID");
}

TEST_F(RouteTest, ParentDirectoryIsNoTag) {
  EXPECT_EQ(show("/v2/a/manifests/.."), "MANIFEST_INVALID");
}

TEST_F(RouteTest, EmptyPartIsNoName) { EXPECT_EQ(show("/v2/a//b/tags/list"), "NAME_INVALID"); }

TEST_F(RouteTest, MissingNameIsNoName) { EXPECT_EQ(show("/v2/manifests/latest"), "NAME_INVALID"); }

TEST_F(RouteTest, DoubleSlashAtTheStartIsNoName) {
  EXPECT_EQ(show("/v2//a/manifests/latest"), "NAME_INVALID");
}

TEST_F(RouteTest, RegistryMayComeBeforeTheRepository) {
  EXPECT_EQ(show("/v2/ghcr.io/acme/tool/tags/list"), "tags ghcr.io/acme/tool");
  EXPECT_EQ(show("/v2/registry.example:5000/tool/manifests/1"),
            "manifest registry.example:5000/tool 1");
  EXPECT_EQ(show("/v2/localhost:5000/tool/blobs/" + digest_),
            "blob localhost:5000/tool " + digest_);
}

TEST_F(RouteTest, OnlyAHostAndItsPortMayComeBeforeARepository) {
  for (const char* name : {"a:", "a:b/c", "a:1:2/c", "a:123456/c", ":80/c", "a:80", "a:80/",
                           "a/b:80/c", "A.b:80/c", "..:80/c", "a:80/C"}) {
    EXPECT_EQ(show("/v2/" + std::string(name) + "/tags/list"), "NAME_INVALID") << name;
  }
}

TEST_F(RouteTest, UpperCaseNameIsInvalid) {
  EXPECT_EQ(show("/v2/Debian/manifests/latest"), "NAME_INVALID");
}

TEST_F(RouteTest, BrokenEscapeIsInvalid) {
  EXPECT_EQ(show("/v2/a%/manifests/latest"), "NAME_INVALID");
}

TEST_F(RouteTest, EscapedNulIsInvalid) {
  EXPECT_EQ(show("/v2/a/manifests/latest%00"), "NAME_INVALID");
}

TEST_F(RouteTest, BadDigestOfABlob) { EXPECT_EQ(show("/v2/a/blobs/sha256:abc"), "DIGEST_INVALID"); }

TEST_F(RouteTest, BlobByTagIsABadDigest) {
  EXPECT_EQ(show("/v2/a/blobs/latest"), "DIGEST_INVALID");
}

TEST_F(RouteTest, MissingDigestIsABadDigest) { EXPECT_EQ(show("/v2/a/blobs/"), "DIGEST_INVALID"); }

TEST_F(RouteTest, BadDigestOfReferrers) {
  EXPECT_EQ(show("/v2/a/referrers/latest"), "DIGEST_INVALID");
}

TEST_F(RouteTest, BadDigestOfAManifest) {
  EXPECT_EQ(show("/v2/a/manifests/sha256:abc"), "DIGEST_INVALID");
}

TEST_F(RouteTest, BadTagOfAManifest) { EXPECT_EQ(show("/v2/a/manifests/-x"), "MANIFEST_INVALID"); }

TEST_F(RouteTest, MissingTagIsABadTag) { EXPECT_EQ(show("/v2/a/manifests/"), "MANIFEST_INVALID"); }

TEST_F(RouteTest, SlashAfterTagsListIsNoEndpoint) {
  EXPECT_EQ(show("/v2/a/tags/list/"), "NAME_UNKNOWN");
}

TEST_F(RouteTest, CatalogIsNoEndpoint) { EXPECT_EQ(show("/v2/_catalog"), "NAME_UNKNOWN"); }

TEST_F(RouteTest, OtherPathIsNoEndpoint) { EXPECT_EQ(show("/v3/a/tags/list"), "NAME_UNKNOWN"); }

TEST_F(RouteTest, EmptyPathIsNoEndpoint) { EXPECT_EQ(show(""), "NAME_UNKNOWN"); }

TEST_F(RouteTest, SlashesAloneAreNoEndpoint) { EXPECT_EQ(show("/v2////"), "NAME_UNKNOWN"); }

}  // namespace
}  // namespace layby::oci
