// SPDX-License-Identifier: Apache-2.0
//
// Tests a parent's answers about a tag: how old an answer is, when an answer moves the tag, and
// which age a client sees. The registry's own answers have no age.

#include "cache/freshness_test.h"

namespace layby::cache {
namespace {

class ParentAgeTest : public FreshnessTest {
 protected:
  // Answers the HEAD under way as a parent does, with an age.
  void answer_head(const oci::Digest& digest, AnswerAge age) {
    upstream_->answer_manifest_head(
        ManifestHead{digest, std::string(oci::kOciIndex), new_.size(), age});
    timers_.run();
  }
  // Pulls the tag, and lets a parent answer the HEAD.
  void pull(Asker<ManifestAnswer>& asker, const oci::Digest& digest, AnswerAge age) {
    get(asker, tag_);
    answer_head(digest, age);
  }
};

TEST_F(ParentAgeTest, ConfirmationIsAsOldAsTheParentsAnswer) {
  cache_old(seconds(100));
  Asker<ManifestAnswer> asker;
  pull(asker, old_digest_, {seconds(45), false});
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(asker.value().source, ManifestSource::kChecked);
  EXPECT_EQ(asker.value().age, seconds(45));
  clock_.advance(seconds(14));
  expect_at_once(ManifestSource::kHit);
  clock_.advance(seconds(1));
  expect_question();
}

TEST_F(ParentAgeTest, StalenessDoesNotAddUpOverLevels) {
  // The parent confirmed the tag 59 s ago, and fresh_for is 60 s. So this box checks the tag again
  // after one second.
  cache_old(seconds(100));
  Asker<ManifestAnswer> asker;
  pull(asker, old_digest_, {seconds(59), false});
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(asker.value().age, seconds(59));
  clock_.advance(seconds(1));
  expect_question();
}

TEST_F(ParentAgeTest, FetchedTagIsAsOldAsTheParentsAnswer) {
  Asker<ManifestAnswer> asker;
  pull(asker, new_digest_, {seconds(45), false});
  clock_.advance(seconds(5));
  answer_body(new_);
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(asker.value().age, seconds(50));
  EXPECT_EQ(indexed().checked_at, clock_.wall_now() - seconds(50));
}

TEST_F(ParentAgeTest, TagFetchedByNameIsAsOldAsTheParentsManifest) {
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  upstream_->answer_manifest_head(ManifestHead{});
  upstream_->answer_manifest(ManifestBody{new_, std::string(oci::kOciIndex), {seconds(45), false}});
  timers_.run();
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(asker.value().age, seconds(45));
  EXPECT_EQ(indexed().checked_at, clock_.wall_now() - seconds(45));
}

TEST_F(ParentAgeTest, StaleAnswerOfAParentIsServedAsStale) {
  cache_old(seconds(100));
  Asker<ManifestAnswer> asker;
  pull(asker, old_digest_, {seconds(90), true});
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(asker.value().source, ManifestSource::kStale);
  EXPECT_EQ(asker.value().age, seconds(90));
  expect_question();
}

TEST_F(ParentAgeTest, StaleManifestThatIsFetchedFromAParentIsServedAsStale) {
  Asker<ManifestAnswer> get_asker, head_asker;
  get(get_asker, tag_);
  head_asker.handle = cache_->get_manifest(hub(), "library/debian", tag_, true, head_asker.done());
  answer_head(new_digest_, {seconds(90), true});
  ASSERT_TRUE(head_asker.ok());
  EXPECT_EQ(head_asker.value().source, ManifestSource::kStale);
  answer_body(new_);
  ASSERT_TRUE(get_asker.ok());
  EXPECT_EQ(get_asker.value().source, ManifestSource::kStale);
  EXPECT_EQ(get_asker.value().age, seconds(90));
}

TEST_F(ParentAgeTest, AnswerOlderThanTheOwnLookMovesNothing) {
  store_.add_manifest(new_, std::string(oci::kOciIndex));
  cache_old(seconds(100));
  Asker<ManifestAnswer> asker;
  pull(asker, new_digest_, {seconds(101), true});
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(asker.value().digest, old_digest_);
  EXPECT_EQ(asker.value().source, ManifestSource::kStale);
  EXPECT_EQ(asker.value().age, seconds(100));
  EXPECT_EQ(indexed().digest, old_digest_);
  EXPECT_EQ(indexed().checked_at, clock_.wall_now() - seconds(100));
}

TEST_F(ParentAgeTest, StaleAnswerThatIsYoungerThanTheOwnLookMovesTheTag) {
  store_.add_manifest(new_, std::string(oci::kOciIndex));
  cache_old(seconds(100));
  Asker<ManifestAnswer> asker;
  pull(asker, new_digest_, {seconds(99), true});
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(asker.value().digest, new_digest_);
  EXPECT_EQ(asker.value().age, seconds(99));
}

}  // namespace
}  // namespace layby::cache
