// SPDX-License-Identifier: Apache-2.0
//
// What the cache tells those who listen.

#include <algorithm>
#include <string>
#include <vector>

#include "cache/cache_test.h"
#include "layby/events/record.h"

namespace layby::cache {
namespace {

class CacheEventsTest : public CacheTest {
 protected:
  // The kinds of the events that were told, without pulls.
  std::vector<std::string> told() const {
    std::vector<std::string> kinds;
    for (const events::Record& record : records_) {
      if (record.kind != "image.pulled") kinds.push_back(record.kind);
    }
    return kinds;
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

}  // namespace
}  // namespace layby::cache
