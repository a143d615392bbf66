// SPDX-License-Identifier: Apache-2.0
//
// The interface of the cache: how a client names an upstream, lists of tags, referrers.

#include "layby/cache/cache.h"

#include "cache/cache_test.h"

namespace layby::cache {
namespace {

using Tags = std::vector<std::string>;

class FaceTest : public CacheTest {
 protected:
  void add_tags(const Tags& tags) {
    for (const std::string& tag : tags) {
      store_.add_tag({"docker.io", "library/debian", tag},
                     {oci::Digest::of("x"), clock_.wall_now()});
    }
  }
  void get_tags(Asker<TagPage>& asker, const TagPageRequest& page) {
    asker.handle = cache_->get_tags(hub(), "library/debian", page, asker.done());
  }
  // Makes `name` the only origin.
  void set_origin(const char* name, std::shared_ptr<Upstream> upstream) {
    std::vector<Origin> next;
    next.push_back({name, {"*"}, std::move(upstream)});
    cache_->set_origins(std::move(next));
  }
  void set_hub(std::shared_ptr<Upstream> upstream) { set_origin("docker.io", std::move(upstream)); }
  // Asks for a page of tags, fails the request upstream, and returns the client's page.
  TagPage cached_page(const TagPageRequest& page) {
    Asker<TagPage> asker;
    get_tags(asker, page);
    upstream_->only_pending()->fail(ErrorCode::kUnavailable);
    EXPECT_TRUE(asker.ok());
    return asker.ok() ? asker.value() : TagPage{};
  }
  void get_referrers(Asker<std::string>& asker) {
    asker.handle = cache_->get_referrers(hub(), "library/debian", oci::Digest::of("x"),
                                         "application/spdx", asker.done());
  }
};

TEST_F(FaceTest, EmptyNameFindsTheFirstOrigin) {
  EXPECT_EQ(cache_->find_origin("")->name, "docker.io");
}

TEST_F(FaceTest, OriginIsFoundByName) {
  EXPECT_EQ(cache_->find_origin("ghcr.io")->name, "ghcr.io");
}

TEST_F(FaceTest, DockerHubIsFoundByEachOfItsNames) {
  for (const char* ns : {"docker.io", "registry-1.docker.io", "index.docker.io"}) {
    ASSERT_NE(cache_->find_origin(ns), nullptr) << ns;
    EXPECT_EQ(cache_->find_origin(ns)->name, "docker.io");
  }
}

TEST_F(FaceTest, UnknownNameFindsNoOrigin) { EXPECT_EQ(cache_->find_origin("quay.io"), nullptr); }

TEST_F(FaceTest, OriginsAreListedInOrder) {
  const auto origins = cache_->origins();
  ASSERT_EQ(origins.size(), 2u);
  EXPECT_EQ(origins[0]->name, "docker.io");
  EXPECT_EQ(origins[1]->name, "ghcr.io");
}

TEST_F(FaceTest, OriginsOfTheSameNameKeepTheirAddress) {
  const Origin* hub = cache_->find_origin("docker.io");
  std::vector<Origin> next;
  next.push_back({"quay.io", {"*"}, std::make_unique<testing::FakeUpstream>()});
  next.push_back({"docker.io", {"acme/*"}, hub->upstream});
  cache_->set_origins(std::move(next));
  EXPECT_EQ(cache_->find_origin("docker.io"), hub);
  EXPECT_TRUE(hub->serves("acme/tool"));
  EXPECT_EQ(cache_->find_origin("")->name, "quay.io");
  EXPECT_EQ(cache_->find_origin("ghcr.io"), nullptr);
}

TEST_F(FaceTest, WorkEndsWithTheUpstreamWithWhichItBegan) {
  Asker<TagPage> asker;
  get_tags(asker, {});
  std::vector<Origin> next;
  next.push_back({"quay.io", {"*"}, std::make_unique<testing::FakeUpstream>()});
  cache_->set_origins(std::move(next));
  upstream_->only_pending()->answer_tags(TagPage{{"b"}, false});
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(asker.value().tags, Tags{"b"});
}

TEST_F(FaceTest, ARemovedOriginComesBackInItsPlace) {
  const Origin* hub = cache_->find_origin("docker.io");
  const auto with = [](const char* name) {
    std::vector<Origin> next;
    next.push_back({name, {"*"}, std::make_unique<testing::FakeUpstream>()});
    return next;
  };
  cache_->set_origins(with("quay.io"));
  cache_->set_origins(with("docker.io"));
  EXPECT_EQ(cache_->find_origin("docker.io"), hub);
}

TEST_F(FaceTest, AFormerUpstreamIsDestroyedATurnAfterItsLastRequest) {
  auto upstream = std::make_shared<testing::FakeUpstream>();
  const std::weak_ptr<testing::FakeUpstream> former = upstream;
  set_hub(upstream);
  Asker<TagPage> first, second;
  get_tags(first, {});
  get_tags(second, {});
  const auto pending = upstream->pending();
  upstream.reset();
  set_hub(std::make_shared<testing::FakeUpstream>());
  timers_.run();
  first.handle.reset();
  timers_.run();
  EXPECT_FALSE(former.expired());
  second.then = [&] { second.handle.reset(); };
  pending[1]->answer_tags(TagPage{{"b"}, false});
  EXPECT_FALSE(former.expired());
  timers_.run();
  EXPECT_TRUE(former.expired());
  EXPECT_EQ(second.value().tags, Tags{"b"});
}

TEST_F(FaceTest, ABlobKeepsItsUpstreamToItsEnd) {
  const std::string bytes = "a layer";
  auto upstream = std::make_shared<testing::FakeUpstream>();
  const std::weak_ptr<testing::FakeUpstream> former = upstream;
  set_hub(upstream);
  BlobAsker asker;
  open(asker, oci::Digest::of(bytes));
  timers_.run();
  const auto transfer = upstream->only_pending();
  upstream.reset();
  set_hub(std::make_shared<testing::FakeUpstream>());
  timers_.run();
  EXPECT_FALSE(former.expired());
  transfer->start(0, bytes.size());
  transfer->send(bytes);
  transfer->end({});
  timers_.run();
  EXPECT_TRUE(asker.whole());
  EXPECT_TRUE(former.expired());
}

TEST_F(FaceTest, RequestsOfARemovedOriginFail) {
  const Origin& gone = hub();
  set_origin("quay.io", std::make_shared<testing::FakeUpstream>());
  Asker<TagPage> asker;
  asker.handle = cache_->get_tags(gone, "library/debian", {}, asker.done());
  timers_.run();
  EXPECT_EQ(asker.error(), ErrorCode::kUnavailable);
}

TEST_F(FaceTest, ABlobThatIsCutAfterTheRemovalOfItsOriginFails) {
  const std::string bytes = "a layer";
  auto upstream = std::make_shared<testing::FakeUpstream>();
  set_hub(upstream);
  BlobAsker asker;
  open(asker, oci::Digest::of(bytes));
  timers_.run();
  const auto transfer = upstream->only_pending();
  transfer->start(0, bytes.size());
  set_origin("quay.io", std::make_shared<testing::FakeUpstream>());
  transfer->end(Error{ErrorCode::kUnavailable, "cut"});
  timers_.advance(rules_.retry.max_delay);
  ASSERT_TRUE(asker.failure());
  EXPECT_EQ(asker.failure()->code, ErrorCode::kUnavailable);
  EXPECT_EQ(upstream->requests().size(), 1u);
}

TEST_F(FaceTest, TagsComeFromUpstream) {
  add_tags({"cached"});
  Asker<TagPage> asker;
  get_tags(asker, {2, "a"});
  EXPECT_EQ(upstream_->only_pending()->page.count, 2u);
  EXPECT_EQ(upstream_->only_pending()->page.last, "a");
  upstream_->only_pending()->answer_tags(TagPage{{"b", "c"}, true});
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(asker.value().tags, (Tags{"b", "c"}));
  EXPECT_TRUE(asker.value().more);
}

TEST_F(FaceTest, CachedTagsAreListedWhenUpstreamFails) {
  add_tags({"a", "b", "c"});
  const TagPage page = cached_page({});
  EXPECT_EQ(page.tags, (Tags{"a", "b", "c"}));
  EXPECT_FALSE(page.more);
  EXPECT_EQ(upstream_->requests().size(), 1u);
}

TEST_F(FaceTest, FirstPageOfCachedTagsSaysThatThereAreMore) {
  add_tags({"a", "b", "c"});
  const TagPage page = cached_page({2, ""});
  EXPECT_EQ(page.tags, (Tags{"a", "b"}));
  EXPECT_TRUE(page.more);
}

TEST_F(FaceTest, LastPageOfCachedTagsHoldsTheRest) {
  add_tags({"a", "b", "c"});
  const TagPage page = cached_page({2, "b"});
  EXPECT_EQ(page.tags, Tags{"c"});
  EXPECT_FALSE(page.more);
}

TEST_F(FaceTest, FullPageWithoutMoreTagsIsTheLast) {
  add_tags({"a", "b", "c"});
  EXPECT_FALSE(cached_page({3, ""}).more);
}

TEST_F(FaceTest, PageAfterAnUncachedTagBeginsAtTheNextTag) {
  add_tags({"a", "c"});
  EXPECT_EQ(cached_page({1, "b"}).tags, Tags{"c"});
}

TEST_F(FaceTest, PageAfterTheLastTagIsEmpty) {
  add_tags({"a", "b"});
  const TagPage page = cached_page({2, "b"});
  EXPECT_TRUE(page.tags.empty());
  EXPECT_FALSE(page.more);
}

TEST_F(FaceTest, WithoutCachedTagsUpstreamsErrorIsReturned) {
  Asker<TagPage> asker;
  get_tags(asker, {});
  upstream_->only_pending()->fail(ErrorCode::kTimedOut);
  EXPECT_EQ(asker.error(), ErrorCode::kTimedOut);
}

TEST_F(FaceTest, CachedTagsDoNotHideARefusal) {
  add_tags({"a"});
  Asker<TagPage> asker;
  get_tags(asker, {});
  upstream_->only_pending()->fail(ErrorCode::kNotFound);
  EXPECT_EQ(asker.error(), ErrorCode::kNotFound);
}

TEST_F(FaceTest, RefusedListIsRememberedForAWhile) {
  Asker<TagPage> first, second, third;
  get_tags(first, {});
  upstream_->only_pending()->fail(ErrorCode::kNotFound);
  clock_.advance(rules_.unknown_for - milliseconds(1));
  get_tags(second, {2, "a"});
  EXPECT_EQ(second.error(), ErrorCode::kNotFound);
  clock_.advance(milliseconds(1));
  get_tags(third, {});
  EXPECT_FALSE(third.answered()) << "a remembered answer doesn't prolong itself";
  EXPECT_EQ(counters_.unknown_served, 1u);
}

TEST_F(FaceTest, MissingReferrersAreRemembered) {
  Asker<std::string> first, second;
  get_referrers(first);
  upstream_->only_pending()->fail(ErrorCode::kNotFound);
  get_referrers(second);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second.value(), "");
  EXPECT_EQ(upstream_->requests().size(), 1u);
}

TEST_F(FaceTest, DroppingAListCancelsItsRequest) {
  Asker<TagPage> asker;
  get_tags(asker, {});
  asker.handle.reset();
  EXPECT_TRUE(upstream_->pending().empty());
}

TEST_F(FaceTest, ReferrersComeFromUpstream) {
  Asker<std::string> asker;
  get_referrers(asker);
  EXPECT_EQ(upstream_->only_pending()->artifact_type, "application/spdx");
  upstream_->only_pending()->answer_referrers(std::string("{}"));
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(asker.value(), "{}");
}

TEST_F(FaceTest, UpstreamWithoutReferrersGivesAnEmptyList) {
  Asker<std::string> asker;
  get_referrers(asker);
  upstream_->only_pending()->fail(ErrorCode::kNotFound);
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(asker.value(), "");
}

TEST_F(FaceTest, ReferrersFailWithUpstream) {
  Asker<std::string> asker;
  get_referrers(asker);
  upstream_->only_pending()->fail(ErrorCode::kUnavailable);
  EXPECT_EQ(asker.error(), ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace layby::cache
