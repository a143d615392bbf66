// SPDX-License-Identifier: Apache-2.0
//
// The events that the cache tells its listeners.

#include <algorithm>
#include <string>
#include <vector>

#include "cache/cache_test.h"
#include "layby/events/record.h"
#include "layby/oci/manifest.h"

namespace layby::cache {
namespace {

class CacheEventsTest : public CacheTest {
 protected:
  // The kinds of all events so far, except pulls.
  std::vector<std::string> told() const {
    std::vector<std::string> kinds;
    for (const events::Record& record : records_) {
      if (record.kind != "image.pulled") kinds.push_back(record.kind);
    }
    return kinds;
  }
  // The values that the events of `kind` have in `field`, in order.
  std::vector<events::FieldValue> values(const std::string& kind, const std::string& field) const {
    std::vector<events::FieldValue> found;
    for (const events::Record& record : records_) {
      for (const auto& [name, value] : record.fields) {
        if (record.kind == kind && name == field) found.push_back(value);
      }
    }
    return found;
  }
  // Makes one request, whose answer states that `remaining` of `limit` pulls are left.
  void answer_with_quota(std::uint64_t limit, std::uint64_t remaining) {
    upstream_->set_quota(policy::QuotaState{
        {limit, seconds(21'600)}, {remaining, seconds(21'600)}, "", clock_.wall_now()});
    Asker<TagPage> asker;
    asker.handle = cache_->get_tags(hub(), "library/debian", {}, asker.done());
    upstream_->only_pending()->answer_tags(TagPage{});
  }
  // Caches a manifest under the tag debian:bookworm, which was checked `ago` before now.
  oci::Digest cache_tag(milliseconds ago) {
    const std::string manifest = R"({"schemaVersion":2,"manifests":[]})";
    const oci::Digest digest = store_.add_manifest(manifest, std::string(oci::kOciIndex));
    store_.add_tag({"docker.io", "library/debian", "bookworm"}, {digest, clock_.wall_now() - ago});
    return digest;
  }
  const events::Record* find(const std::string& kind) const {
    const auto at = std::find_if(records_.begin(), records_.end(),
                                 [&](const events::Record& record) { return record.kind == kind; });
    return at == records_.end() ? nullptr : &*at;
  }

  const std::string bytes_ = std::string(1'000, 'x');
  const oci::Digest digest_ = oci::Digest::of(bytes_);
  std::vector<events::Record> records_;
  Handle listener_ = events_.listen([this](const events::Event& event) {
    records_.push_back(events::record_of(event, clock_.wall_now()));
  });
};

TEST_F(CacheEventsTest, TellsThatAFillIsPublished) {
  BlobAsker asker;
  open(asker, digest_);
  timers_.run();
  send_all(bytes_, 0, bytes_.size());

  ASSERT_EQ(told(), (std::vector<std::string>{"blob.published"}));
  EXPECT_EQ(records_.back().text, "library/debian@" + digest_.str() + ": stored, 1000 bytes");
}

TEST_F(CacheEventsTest, TellsWhyAFillFailed) {
  rules_.retry.max_attempts = 1;
  make_cache();
  BlobAsker asker;
  open(asker, digest_);
  timers_.run();
  transfer()->fail(ErrorCode::kNotFound, "no such blob");
  timers_.run();

  ASSERT_EQ(told(), (std::vector<std::string>{"fill.failed"}));
  EXPECT_NE(records_.back().text.find("no such blob"), std::string::npos);
}

TEST_F(CacheEventsTest, TellsOfEachAttemptThatFollowsAFailure) {
  BlobAsker asker;
  open(asker, digest_);
  timers_.run();
  transfer()->fail(ErrorCode::kUnavailable, "cut off");
  timers_.run();

  EXPECT_NE(find("fill.retried"), nullptr);
}

TEST_F(CacheEventsTest, TellsThatTheLinkIsDownAndThatItIsUpAgain) {
  BlobAsker asker;
  open(asker, digest_);
  timers_.run();
  transfer()->fail(ErrorCode::kTimedOut, "no answer");
  timers_.run();
  ASSERT_NE(find("link.down"), nullptr);

  timers_.advance(seconds(60));
  upstream_->pings().back()->answer_ping({});
  timers_.run();
  EXPECT_NE(find("link.up"), nullptr);
}

TEST_F(CacheEventsTest, TellsOfEachHit) {
  const oci::Digest digest = cache_tag(seconds(1));
  Asker<ManifestAnswer> by_tag, by_digest;
  get(by_tag, oci::Tag("bookworm"));
  get(by_digest, digest);

  using Values = std::vector<events::FieldValue>;
  EXPECT_EQ(values("image.pulled", "reference"), (Values{"bookworm", digest.str()}));
  EXPECT_EQ(values("image.pulled", "digest"), (Values{digest.str(), digest.str()}));
  EXPECT_EQ(values("image.pulled", "served"), (Values{"cached", "cached"}));
}

TEST_F(CacheEventsTest, TellsHowACheckedTagIsServed) {
  const oci::Digest digest = cache_tag(std::chrono::hours(24));
  Asker<ManifestAnswer> asker;
  get(asker, oci::Tag("bookworm"));
  EXPECT_TRUE(values("image.pulled", "served").empty());
  upstream_->answer_manifest_head(ManifestHead{digest, std::string(oci::kOciIndex), 34});

  EXPECT_EQ(values("image.pulled", "served"), std::vector<events::FieldValue>{"confirmed"});
}

TEST_F(CacheEventsTest, TellsNothingOfAPullThatFails) {
  Asker<ManifestAnswer> asker;
  get(asker, digest_);
  upstream_->only_pending()->fail(ErrorCode::kNotFound);

  EXPECT_EQ(find("image.pulled"), nullptr);
  EXPECT_NE(find("image.failed"), nullptr);
}

TEST_F(CacheEventsTest, TellsOnceOfEachChangeOfThePullLimit) {
  answer_with_quota(100, 99);
  answer_with_quota(100, 99);
  clock_.advance(seconds(60));
  answer_with_quota(100, 99);
  answer_with_quota(100, 98);
  answer_with_quota(200, 98);

  using Values = std::vector<events::FieldValue>;
  EXPECT_EQ(values("quota.changed", "limit"),
            (Values{std::uint64_t{100}, std::uint64_t{100}, std::uint64_t{200}}));
  EXPECT_EQ(values("quota.changed", "remaining"),
            (Values{std::uint64_t{99}, std::uint64_t{98}, std::uint64_t{98}}));
}

TEST_F(CacheEventsTest, TellsNothingOfAPullLimitThatIsNotStated) {
  Asker<TagPage> asker;
  asker.handle = cache_->get_tags(hub(), "library/debian", {}, asker.done());
  upstream_->only_pending()->answer_tags(TagPage{});

  EXPECT_EQ(find("quota.changed"), nullptr);
}

}  // namespace
}  // namespace layby::cache
