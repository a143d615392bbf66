// SPDX-License-Identifier: Apache-2.0
//
// Tags in use are checked before they get stale, while no client waits. A check notices that a tag
// has moved. Here a tag is fresh for a minute. A tag that was pulled in two of these minutes is
// kept fresh for ten minutes after its last use.

#include "cache/freshness_test.h"

namespace layby::cache {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

class KeepFreshTest : public FreshnessTest {
 protected:
  void SetUp() override {
    rules_.keep_fresh = minutes(10);
    FreshnessTest::SetUp();
  }

  // Lets `duration` pass, and answers each check within a second.
  void let_pass(milliseconds duration, const oci::Digest& digest) {
    const SteadyTime end = clock_.steady_now() + duration;
    while (clock_.steady_now() < end) {
      timers_.advance(seconds(1));
      while (!upstream_->pending().empty()) answer_head(digest);
    }
  }
  // Room always has one timer; any further timer belongs to a check.
  bool some_check_waits() const { return timers_.waiting() > 1; }
  // Pulls the tag, which is fresh then.
  void pull_once() {
    cache_old(seconds(0));
    expect_at_once(ManifestSource::kHit);
  }
  // Pulls the tag again after a minute. The tag is fresh and in use then.
  void pull_fresh() {
    pull_once();
    timers_.advance(minutes(1));
    Asker<ManifestAnswer> asker;
    get(asker, tag_);
    if (!asker.answered()) answer_head(old_digest_);
    ASSERT_TRUE(asker.ok());
    asked_before_ = upstream_->requests().size();
  }
  // The number of requests after pull_fresh().
  std::size_t asked() const { return upstream_->requests().size() - asked_before_; }

  std::size_t asked_before_ = 0;
};

TEST_F(KeepFreshTest, TagThatWasPulledOnceIsNotChecked) {
  pull_once();
  timers_.advance(minutes(30));
  EXPECT_EQ(asked(), 0u);
}

TEST_F(KeepFreshTest, PullsWithinTheFreshTimeCountOnce) {
  pull_once();
  for (int i = 0; i < 5; ++i) {
    timers_.advance(seconds(11));
    expect_at_once(ManifestSource::kHit);
  }
  timers_.advance(minutes(30));
  EXPECT_EQ(asked(), 0u);
}

TEST_F(KeepFreshTest, AllTagsOfARepositoryCostOneCheckEach) {
  for (int i = 0; i < 1000; ++i) {
    Asker<ManifestAnswer> asker;
    get(asker, oci::Tag("v" + std::to_string(i)));
    answer_head(new_digest_);
    if (i == 0) answer_body(new_);
    ASSERT_TRUE(asker.ok()) << i;
    timers_.advance(seconds(2));
  }
  EXPECT_EQ(upstream_->count(UpstreamKind::kManifestHead), 1000u);
  EXPECT_FALSE(some_check_waits());
}

TEST_F(KeepFreshTest, TagInUseIsCheckedShortlyBeforeItIsDue) {
  EXPECT_FALSE(some_check_waits());
  pull_fresh();
  EXPECT_TRUE(some_check_waits());
  timers_.advance(seconds(45) - milliseconds(1));
  EXPECT_EQ(asked(), 0u);
  timers_.advance(seconds(12) + milliseconds(1));
  EXPECT_EQ(upstream_->only_pending()->kind, UpstreamKind::kManifestHead);
}

TEST_F(KeepFreshTest, TagsThatWerePulledTogetherAreNotCheckedTogether) {
  store_.add_manifest(old_, std::string(oci::kOciIndex));
  for (const seconds age : {seconds(0), seconds(60)}) {
    timers_.advance(age);
    for (int i = 0; i < 100; ++i) {
      const std::string tag = "v" + std::to_string(i);
      store_.add_tag({"docker.io", "library/debian", tag}, {old_digest_, clock_.wall_now()});
      Asker<ManifestAnswer> asker;
      get(asker, oci::Tag(tag));
      ASSERT_TRUE(asker.ok());
    }
  }
  timers_.advance(seconds(45) - milliseconds(1));
  EXPECT_EQ(asked(), 0u);
  timers_.advance(seconds(6));
  const std::size_t in_the_first_half = asked();
  EXPECT_GT(in_the_first_half, 0u);
  EXPECT_LT(in_the_first_half, 100u);
  timers_.advance(seconds(6) + milliseconds(1));
  EXPECT_EQ(asked(), 100u);
}

TEST_F(KeepFreshTest, PullAfterTheCheckWaitsForNothing) {
  pull_fresh();
  let_pass(seconds(100), old_digest_);
  const std::size_t before = asked();
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(asker.value().source, ManifestSource::kHit);
  EXPECT_LT(*asker.value().age, seconds(60));
  EXPECT_EQ(asked(), before);
}

TEST_F(KeepFreshTest, ChecksGoOnWhileTheTagIsUsedAndThenEnd) {
  pull_fresh();
  let_pass(minutes(9), old_digest_);
  EXPECT_GE(asked(), 9u);
  EXPECT_LE(asked(), 13u);
  expect_at_once(ManifestSource::kHit);
  let_pass(minutes(9), old_digest_);
  EXPECT_GE(asked(), 18u);
  let_pass(minutes(2), old_digest_);
  const std::size_t before = asked();
  let_pass(minutes(30), old_digest_);
  EXPECT_EQ(asked(), before);
  EXPECT_FALSE(some_check_waits());
}

TEST_F(KeepFreshTest, DroppedTagIsKeptFreshAgainAfterTwoPulls) {
  pull_fresh();
  let_pass(minutes(30), old_digest_);
  for (const std::size_t checks : {0U, 1U}) {
    Asker<ManifestAnswer> asker;
    get(asker, tag_);
    answer_head(old_digest_);
    const std::size_t before = asked();
    let_pass(seconds(60), old_digest_);
    EXPECT_EQ(asked(), before + checks);
  }
}

TEST_F(KeepFreshTest, FirstPullCountsAsAUse) {
  for (int i = 0; i < 2; ++i) {
    Asker<ManifestAnswer> asker;
    get(asker, tag_);
    answer_head(new_digest_);
    if (i == 0) answer_body(new_);
    ASSERT_TRUE(asker.ok());
    timers_.advance(seconds(60));
  }
  EXPECT_EQ(upstream_->only_pending()->kind, UpstreamKind::kManifestHead);
}

TEST_F(KeepFreshTest, MissingTagIsNotCheckedAgain) {
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  upstream_->only_pending()->fail(ErrorCode::kNotFound);
  timers_.run();
  EXPECT_FALSE(some_check_waits());
}

TEST_F(KeepFreshTest, NothingIsCheckedWhenKeepFreshIsOff) {
  rules_.keep_fresh = milliseconds(0);
  make_cache();
  pull_fresh();
  EXPECT_FALSE(some_check_waits());
}

TEST_F(KeepFreshTest, TagFreshForLongerThanKeepFreshIsNotChecked) {
  for (const milliseconds fresh_for : {milliseconds(hours(1)), policy::kForever}) {
    rules_.tag_rules = {{{"*:*"}, fresh_for}};
    make_cache();
    pull_fresh();
    EXPECT_FALSE(some_check_waits());
  }
}

TEST_F(KeepFreshTest, TagIsCheckedAtMostEverySevenSeconds) {
  rules_.tag_rules = {{{"*:*"}, seconds(1)}};
  make_cache();
  pull_fresh();
  timers_.advance(milliseconds(7'499));
  EXPECT_EQ(asked(), 0u);
  timers_.advance(milliseconds(2'001));
  EXPECT_EQ(asked(), 1u);
}

TEST_F(KeepFreshTest, MoveFoundByACheckCostsNoPull) {
  pull_fresh();
  timers_.advance(seconds(57));
  answer_head(new_digest_);
  EXPECT_TRUE(upstream_->pending().empty());
  EXPECT_EQ(upstream_->count(UpstreamKind::kManifestGet), 0u);
  ASSERT_EQ(cache_->moves().size(), 1u);
  EXPECT_EQ(cache_->moves()[0].tag, key_);
  EXPECT_EQ(cache_->moves()[0].from, old_digest_);
  EXPECT_EQ(cache_->moves()[0].to, new_digest_);
  EXPECT_EQ(cache_->moves()[0].seen_at, clock_.wall_now());
  EXPECT_EQ(indexed().digest, old_digest_);
}

TEST_F(KeepFreshTest, CheckWithoutADigestCostsNoPull) {
  pull_fresh();
  timers_.advance(seconds(57));
  upstream_->answer_manifest_head(ManifestHead{});
  EXPECT_TRUE(upstream_->pending().empty());
}

TEST_F(KeepFreshTest, PullThatJoinsACheckGetsTheNewImage) {
  pull_fresh();
  timers_.advance(seconds(57));
  upstream_->only_pending();
  clock_.advance(seconds(3));
  Asker<ManifestAnswer> asker;
  get(asker, tag_);
  EXPECT_FALSE(asker.answered());
  answer_head(new_digest_);
  answer_body(new_);
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(asker.value().digest, new_digest_);
  EXPECT_EQ(asked(), 2u);
}

TEST_F(KeepFreshTest, NothingIsCheckedWhileTheLinkIsDown) {
  pull_fresh();
  take_link_down();
  const std::size_t before = asked();
  timers_.advance(minutes(2));
  EXPECT_EQ(asked(), before);
}

TEST_F(KeepFreshTest, ChecksGoOnWhenTheLinkIsBack) {
  pull_fresh();
  take_link_down();
  timers_.advance(minutes(2));
  upstream_->pings().back()->answer_ping({});
  const std::size_t before = asked();
  timers_.advance(seconds(57));
  EXPECT_EQ(asked(), before + 1);
}

TEST_F(KeepFreshTest, ChecksLeaveHalfOfTheMinuteToClients) {
  guard_rules_.requests_per_minute = 4;
  make_cache();
  pull_fresh();
  timers_.advance(seconds(40));
  fail_list({ErrorCode::kNotFound, "fake upstream"});
  const std::size_t before = asked();
  timers_.advance(seconds(17));
  EXPECT_EQ(asked(), before);
}

// -- moves

class MovesTest : public FreshnessTest {
 protected:
  // Pulls the tag when its check is due. Upstream answers `digest`, whose manifest is `bytes`.
  void pull(const oci::Digest& digest, const std::string& bytes) {
    clock_.advance(seconds(60));
    Asker<ManifestAnswer> asker;
    get(asker, tag_);
    answer_head(digest);
    if (!upstream_->pending().empty()) answer_body(bytes);
    ASSERT_TRUE(asker.ok());
    EXPECT_EQ(asker.value().digest, digest);
  }
};

TEST_F(MovesTest, FirstPullOfATagIsNotAMove) {
  pull(old_digest_, old_);
  pull(old_digest_, old_);
  EXPECT_TRUE(cache_->moves().empty());
}

TEST_F(MovesTest, MoveIsRecordedOnce) {
  pull(old_digest_, old_);
  pull(new_digest_, new_);
  pull(new_digest_, new_);
  ASSERT_EQ(cache_->moves().size(), 1u);
  EXPECT_EQ(cache_->moves()[0].from, old_digest_);
  EXPECT_EQ(cache_->moves()[0].to, new_digest_);
  EXPECT_EQ(cache_->moves()[0].fetch_bytes, std::nullopt);
  EXPECT_EQ(counters_.tag_moves, 1u);
}

TEST_F(MovesTest, TagThatGoesBackAndForthMovesEachTime) {
  pull(old_digest_, old_);
  pull(new_digest_, new_);
  pull(old_digest_, old_);
  pull(new_digest_, new_);
  const auto moves = cache_->moves();
  ASSERT_EQ(moves.size(), 3u);
  EXPECT_EQ(moves[1].from, new_digest_);
  EXPECT_EQ(moves[1].to, old_digest_);
  EXPECT_EQ(moves[2].to, new_digest_);
  EXPECT_LT(moves[0].seen_at, moves[2].seen_at);
}

TEST_F(MovesTest, Last64MovesAreKept) {
  for (int i = 0; i < 70; ++i) {
    const TagKey key{"docker.io", "library/debian", "v" + std::to_string(i)};
    store_.add_manifest(old_, std::string(oci::kOciIndex));
    store_.add_manifest(new_, std::string(oci::kOciIndex));
    store_.add_tag(key, {old_digest_, clock_.wall_now() - minutes(2)});
    Asker<ManifestAnswer> asker;
    get(asker, oci::Tag(key.tag));
    answer_head(new_digest_);
  }
  const auto moves = cache_->moves();
  ASSERT_EQ(moves.size(), 64u);
  EXPECT_EQ(moves.front().tag.tag, "v6");
  EXPECT_EQ(moves.back().tag.tag, "v69");
  EXPECT_EQ(counters_.tag_moves, 70u);
}

TEST_F(KeepFreshTest, RepeatedSightingsOfAMoveAreRecordedOnce) {
  pull_fresh();
  let_pass(minutes(5), new_digest_);
  EXPECT_GE(asked(), 5u);
  EXPECT_EQ(cache_->moves().size(), 1u);
}

TEST_F(KeepFreshTest, TagThatMovesBackBeforeItsFetchMovesAgain) {
  pull_fresh();
  let_pass(minutes(1), new_digest_);
  let_pass(minutes(1), old_digest_);
  let_pass(minutes(1), new_digest_);
  const auto moves = cache_->moves();
  ASSERT_EQ(moves.size(), 3u);
  EXPECT_EQ(moves[1].from, new_digest_);
  EXPECT_EQ(moves[1].to, old_digest_);
  EXPECT_EQ(moves[2].to, new_digest_);
  EXPECT_GT(moves[2].seen_at, moves[0].seen_at);
}

}  // namespace
}  // namespace layby::cache
