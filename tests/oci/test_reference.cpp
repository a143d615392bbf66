// SPDX-License-Identifier: Apache-2.0
//
// The grammars of repository names and tags, at their edges.

#include "layby/oci/reference.h"

#include <gtest/gtest.h>

#include <string>

namespace layby::oci {
namespace {

class ReferenceTest : public ::testing::Test {
 protected:
  void SetUp() override { digest_ = Digest::of("abc").str(); }
  void TearDown() override {}

  std::string digest_;
};

TEST_F(ReferenceTest, PlainName) { EXPECT_TRUE(is_repository("debian")); }

TEST_F(ReferenceTest, NameOfSeveralParts) { EXPECT_TRUE(is_repository("a/b2/3c")); }

TEST_F(ReferenceTest, AllSeparators) { EXPECT_TRUE(is_repository("a.b_c__d-e---f")); }

TEST_F(ReferenceTest, NameOf255Characters) { EXPECT_TRUE(is_repository(std::string(255, 'a'))); }

TEST_F(ReferenceTest, NameOf256CharactersIsRefused) {
  EXPECT_FALSE(is_repository(std::string(256, 'a')));
}

TEST_F(ReferenceTest, EmptyNameIsRefused) { EXPECT_FALSE(is_repository("")); }

TEST_F(ReferenceTest, UpperCaseIsRefused) { EXPECT_FALSE(is_repository("Debian")); }

TEST_F(ReferenceTest, LeadingSlashIsRefused) { EXPECT_FALSE(is_repository("/a")); }

TEST_F(ReferenceTest, TrailingSlashIsRefused) { EXPECT_FALSE(is_repository("a/")); }

TEST_F(ReferenceTest, DoubleSlashIsRefused) { EXPECT_FALSE(is_repository("a//b")); }

TEST_F(ReferenceTest, ParentDirectoryIsRefused) { EXPECT_FALSE(is_repository("a/../b")); }

TEST_F(ReferenceTest, TwoDotsAreRefused) { EXPECT_FALSE(is_repository("a..b")); }

TEST_F(ReferenceTest, ThreeUnderscoresAreRefused) { EXPECT_FALSE(is_repository("a___b")); }

TEST_F(ReferenceTest, MixedSeparatorsAreRefused) { EXPECT_FALSE(is_repository("a_-b")); }

TEST_F(ReferenceTest, LeadingSeparatorIsRefused) { EXPECT_FALSE(is_repository("-a")); }

TEST_F(ReferenceTest, TrailingSeparatorIsRefused) { EXPECT_FALSE(is_repository("a-/b")); }

TEST_F(ReferenceTest, ColonIsRefused) { EXPECT_FALSE(is_repository("a:b")); }

TEST_F(ReferenceTest, NulIsRefused) { EXPECT_FALSE(is_repository(std::string_view("a\0b", 3))); }

TEST_F(ReferenceTest, PlainTag) { EXPECT_TRUE(is_tag("3.12-slim_X")); }

TEST_F(ReferenceTest, TagMayBeginWithUnderscore) { EXPECT_TRUE(is_tag("_a")); }

TEST_F(ReferenceTest, TagOf128Characters) { EXPECT_TRUE(is_tag(std::string(128, 'a'))); }

TEST_F(ReferenceTest, TagOf129CharactersIsRefused) { EXPECT_FALSE(is_tag(std::string(129, 'a'))); }

TEST_F(ReferenceTest, TagCannotBeginWithADot) { EXPECT_FALSE(is_tag(".a")); }

TEST_F(ReferenceTest, TagCannotBeginWithADash) { EXPECT_FALSE(is_tag("-a")); }

TEST_F(ReferenceTest, TagCannotHoldASlash) { EXPECT_FALSE(is_tag("a/b")); }

TEST_F(ReferenceTest, EmptyTagIsRefused) { EXPECT_FALSE(is_tag("")); }

TEST_F(ReferenceTest, BareNameIsInLibrary) { EXPECT_EQ(with_library("debian"), "library/debian"); }

TEST_F(ReferenceTest, NameWithNamespaceStaysUnchanged) {
  EXPECT_EQ(with_library("acme/tool"), "acme/tool");
}

TEST_F(ReferenceTest, TagIsAReference) {
  EXPECT_EQ(parse_reference("latest"), Reference(Tag("latest")));
}

TEST_F(ReferenceTest, DigestIsAReference) {
  EXPECT_EQ(parse_reference(digest_), Reference(Digest::of("abc")));
}

TEST_F(ReferenceTest, BrokenDigestIsNoReference) {
  EXPECT_EQ(parse_reference("sha256:abc"), std::nullopt);
}

TEST_F(ReferenceTest, TextOfATag) { EXPECT_EQ(to_string(Reference(Tag("latest"))), "latest"); }

TEST_F(ReferenceTest, TextOfADigest) {
  EXPECT_EQ(to_string(Reference(Digest::of("abc"))), digest_);
}

ImageName image(const std::string& registry, const std::string& repository,
                const std::string& tag) {
  return {registry, repository, Tag(tag)};
}

TEST_F(ReferenceTest, SplitsOffTheRegistry) {
  EXPECT_EQ(split_registry("ghcr.io/acme/tool"), (QualifiedName{"ghcr.io", "acme/tool"}));
  EXPECT_EQ(split_registry("box:5000/tool"), (QualifiedName{"box:5000", "tool"}));
  EXPECT_EQ(split_registry("localhost/tool"), (QualifiedName{"localhost", "tool"}));
}

TEST_F(ReferenceTest, SplitsOffNothingWithoutARegistry) {
  for (const char* name :
       {"debian", "library/debian", "acme/ghcr.io", "ghcr.io", "localhosts/tool"}) {
    EXPECT_EQ(split_registry(name), (QualifiedName{"", name}));
  }
}

TEST_F(ReferenceTest, AnImageNameWithoutARegistryIsOnDockerHub) {
  EXPECT_EQ(parse_image_name("debian:12"), image("docker.io", "library/debian", "12"));
  EXPECT_EQ(parse_image_name("library/debian:12"), image("docker.io", "library/debian", "12"));
  EXPECT_EQ(parse_image_name("docker.io/debian:12"), image("docker.io", "library/debian", "12"));
  EXPECT_EQ(parse_image_name("acme/tool:1"), image("docker.io", "acme/tool", "1"));
  EXPECT_EQ(parse_image_name("ghcr.io/acme/tool:1"), image("ghcr.io", "acme/tool", "1"));
  EXPECT_EQ(parse_image_name("localhost/tool:1"), image("localhost", "tool", "1"));
  EXPECT_EQ(parse_image_name("10.0.0.1:5000/tool:1"), image("10.0.0.1:5000", "tool", "1"));
}

TEST_F(ReferenceTest, NestedNameInLibraryIsShownWhole) {
  const ImageName nested = image("docker.io", "library/a/b", "1");
  EXPECT_EQ(to_string(nested), "library/a/b:1");
  EXPECT_EQ(parse_image_name(to_string(nested)), nested);
}

TEST_F(ReferenceTest, AnImageNameWithoutATagMeansLatest) {
  EXPECT_EQ(parse_image_name("debian"), image("docker.io", "library/debian", "latest"));
}

TEST_F(ReferenceTest, ADigestInAnImageNameWinsOverATag) {
  const ImageName expected{"docker.io", "library/debian", Digest::of("abc")};
  EXPECT_EQ(parse_image_name("debian@" + digest_), expected);
  EXPECT_EQ(parse_image_name("debian:12@" + digest_), expected);
}

TEST_F(ReferenceTest, InvalidImageNameIsRefused) {
  for (const char* text : {"", ":", "debian:", "Debian", "debian:a b", "debian@sha256:abc", "/a",
                           "a//b", "../a", "debian:-1", "ghcr.io/", "@"}) {
    EXPECT_EQ(parse_image_name(text), std::nullopt) << text;
  }
}

TEST_F(ReferenceTest, AnImageNameIsRefusedWhenLibraryMakesItTooLong) {
  const std::string longest(255 - std::string_view("library/").size(), 'a');
  ASSERT_TRUE(parse_image_name(longest).has_value());
  EXPECT_TRUE(is_repository(parse_image_name(longest)->repository));
  EXPECT_EQ(parse_image_name(longest + "a"), std::nullopt);
  EXPECT_EQ(parse_image_name("docker.io/" + longest + "a:1"), std::nullopt);
  EXPECT_TRUE(parse_image_name("ghcr.io/" + longest + "a").has_value());
}

TEST_F(ReferenceTest, TheShortestImageNameParsesToTheSame) {
  for (const char* text : {"debian:12", "acme/tool:1", "ghcr.io/acme/tool:1", "localhost/tool:1",
                           "docker.io/foo.bar/x:1", "docker.io/localhost/x:1"}) {
    EXPECT_EQ(to_string(*parse_image_name(text)), text);
  }
  EXPECT_EQ(to_string(*parse_image_name("debian@" + digest_)), "debian@" + digest_);
}

}  // namespace
}  // namespace layby::oci
