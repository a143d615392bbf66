// SPDX-License-Identifier: Apache-2.0
//
// The fixture of the tests of fresh and stale tags: library/debian:bookworm with an old and a
// new manifest. The number of requests per minute has no limit, so that a request waits only for
// the reason under test.

#ifndef LAYBY_TESTS_CACHE_FRESHNESS_TEST_H_
#define LAYBY_TESTS_CACHE_FRESHNESS_TEST_H_

#include <string>

#include "cache/cache_test.h"
#include "layby/oci/manifest.h"

namespace layby::cache {

class FreshnessTest : public CacheTest {
 protected:
  void SetUp() override {
    guard_rules_.requests_per_minute = 0;
    CacheTest::SetUp();
  }

  // Stores `old_` under a tag that was checked `ago` before now.
  void cache_old(milliseconds ago) {
    store_.add_manifest(old_, std::string(oci::kOciIndex));
    store_.add_tag(key_, {old_digest_, clock_.wall_now() - ago});
  }
  // Pulls the tag, and expects an answer at once, from `source`.
  void expect_at_once(ManifestSource source) {
    Asker<ManifestAnswer> asker;
    get(asker, tag_);
    ASSERT_TRUE(asker.ok());
    EXPECT_EQ(asker.value().source, source);
  }
  // Pulls the tag, and expects an error at once.
  void expect_error(ErrorCode code) {
    Asker<ManifestAnswer> asker;
    get(asker, tag_);
    EXPECT_EQ(asker.error(), code);
  }
  // Pulls the tag, expects a request upstream, and drops the request.
  void expect_question() {
    Asker<ManifestAnswer> asker;
    const std::size_t before = upstream_->requests().size();
    get(asker, tag_);
    EXPECT_FALSE(asker.answered());
    EXPECT_EQ(upstream_->requests().size(), before + 1);
  }

  void answer_head(const oci::Digest& digest) {
    upstream_->answer_manifest_head(ManifestHead{digest, std::string(oci::kOciIndex), new_.size()});
    timers_.run();
  }
  void answer_body(const std::string& bytes) {
    upstream_->answer_manifest(ManifestBody{bytes, std::string(oci::kOciIndex)});
    timers_.run();
  }
  // Asks for the tags of another repository, and lets the request fail with `error`.
  void fail_list(const Error& error) {
    Asker<TagPage> asker;
    asker.handle = cache_->get_tags(hub(), "library/busybox", {}, asker.done());
    upstream_->pending().back()->fail(error);
  }
  void take_link_down() { fail_list({ErrorCode::kTimedOut, "fake upstream"}); }

  std::size_t asked() const { return upstream_->requests().size(); }
  StoredTag indexed() { return *store_.find_tag(key_); }

  const oci::Tag tag_ = "bookworm";
  const TagKey key_{"docker.io", "library/debian", tag_};
  const std::string old_ = R"({"schemaVersion":2,"manifests":[]})";
  const std::string new_ = R"({"schemaVersion":2,"manifests":[ ]})";
  const oci::Digest old_digest_ = oci::Digest::of(old_);
  const oci::Digest new_digest_ = oci::Digest::of(new_);
};

}  // namespace layby::cache

#endif  // LAYBY_TESTS_CACHE_FRESHNESS_TEST_H_
