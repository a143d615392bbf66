// SPDX-License-Identifier: Apache-2.0
//
// Which layers are fetched ahead of a client's pull, when, and when the fetching ends.

#include "cache/pull_ahead.h"

#include "cache/cache_test.h"
#include "layby/oci/manifest.h"

namespace layby::cache {
namespace {

class PullAheadTest : public CacheTest {
 protected:
  using Request = testing::FakeUpstream::RequestPtr;

  void SetUp() override {
    rules_.pull_ahead = true;
    rules_.retry.max_attempts = 1;
    guard_rules_.requests_per_minute = 0;
    CacheTest::SetUp();
  }

  static std::string layer(int number) { return "layer " + std::to_string(number) + " "; }
  static oci::Digest digest(int number) { return oci::Digest::of(layer(number)); }
  static std::string descriptor(const std::string& bytes) {
    return R"({"mediaType":"a/b","digest":")" + oci::Digest::of(bytes).str() + R"(","size":)" +
           std::to_string(bytes.size()) + "}";
  }
  // The manifest of an image with the layers [first, first + count).
  static std::string manifest(int count, int first = 0) {
    std::string layers;
    for (int i = first; i < first + count; ++i) {
      layers += (i == first ? "" : ",") + descriptor(layer(i));
    }
    return R"({"schemaVersion":2,"mediaType":")" + std::string(oci::kOciManifest) +
           R"(","config":)" + descriptor("config") + R"(,"layers":[)" + layers + "]}";
  }

  // The manifest with another media type of the layer `number`.
  static std::string with_type(std::string manifest, int number, const std::string& type) {
    const std::string old = descriptor(layer(number));
    std::string typed = old;
    typed.replace(typed.find("a/b"), 3, type);
    return manifest.replace(manifest.find(old), old.size(), typed);
  }

  // A client gets the manifest, which isn't stored.
  void get_manifest(const std::string& bytes) {
    Asker<ManifestAnswer> asker;
    get(asker, oci::Digest::of(bytes));
    upstream_->answer_manifest(ManifestBody{bytes, std::string(oci::kOciManifest)});
    timers_.run();
    ASSERT_TRUE(asker.ok());
  }
  // A client begins to read the blob, whose transfer has begun.
  void begin(BlobAsker& client, int number) {
    open(client, digest(number));
    timers_.run();
    const Request request = find(number);
    ASSERT_TRUE(request);
    if (!request->started()) request->start(0, layer(number).size());
    timers_.run();
  }
  void finish(int number) {
    const Request request = find(number);
    ASSERT_TRUE(request) << number;
    if (!request->started()) request->start(0, layer(number).size());
    request->send(layer(number));
    request->end({});
    timers_.run();
  }
  // A client pulls the blob.
  void pull(int number) {
    BlobAsker client;
    begin(client, number);
    finish(number);
    EXPECT_TRUE(client.whole());
    client.leave();
    timers_.run();
  }
  // Fills the cache, so that only one layer fits. Returns the stored blob, which was used `ago`.
  oci::Digest fill_up(std::chrono::hours ago) {
    const std::string bytes(1000, 'x');
    rules_.space = {{0, bytes.size() + layer(0).size()}, {0, 0}};
    make_cache();
    const oci::Digest digest = store_.add_blob(bytes);
    store_.set_used(digest, clock_.wall_now() - ago);
    store_.add_evictable(digest);
    return digest;
  }
  // The pending request for a layer; null if there is none.
  Request find(int number) const {
    for (const Request& request : upstream_->pending()) {
      if (request->reference == digest(number).str()) return request;
    }
    return nullptr;
  }
  // The layers that upstream is being asked for, in order.
  std::vector<int> coming() const {
    std::vector<int> numbers;
    for (const Request& request : upstream_->pending()) {
      for (int i = 0; i < 20; ++i) {
        if (request->reference == digest(i).str()) numbers.push_back(i);
      }
    }
    return numbers;
  }
  using Numbers = std::vector<int>;
};

TEST_F(PullAheadTest, ForeignLayersAreSkipped) {
  get_manifest(with_type(manifest(4), 2, "application/vnd.docker.image.rootfs.foreign.diff.tar"));
  pull(1);
  EXPECT_EQ(coming(), (Numbers{3}));
}

TEST_F(PullAheadTest, FetchesTheLayersBehindTheClientsLayer) {
  get_manifest(manifest(4));
  pull(1);
  EXPECT_EQ(coming(), (Numbers{2, 3}));
  finish(2);
  finish(3);
  EXPECT_TRUE(store_.has_blob(digest(3)));
  EXPECT_FALSE(store_.has_blob(digest(0)));
  EXPECT_EQ(counters_.ahead_bytes, layer(2).size() + layer(3).size());
}

TEST_F(PullAheadTest, FetchesInTheOrderOfTheManifestAFewAtATime) {
  get_manifest(manifest(8));
  pull(0);
  EXPECT_EQ(coming(), (Numbers{1, 2, 3}));
  finish(2);
  EXPECT_EQ(coming(), (Numbers{1, 3, 4}));
}

TEST_F(PullAheadTest, WaitsWhileAClientWaitsForUpstream) {
  get_manifest(manifest(3));
  BlobAsker client;
  begin(client, 0);
  EXPECT_EQ(coming(), Numbers{0});
  finish(0);
  EXPECT_EQ(coming(), (Numbers{1, 2}));
}

TEST_F(PullAheadTest, PausesForAClient) {
  get_manifest(manifest(3));
  pull(0);
  find(1)->start(0, layer(1).size());
  BlobAsker other;
  open(other, oci::Digest::of("another image's layer"));
  timers_.run();
  EXPECT_TRUE(find(1)->paused());
}

TEST_F(PullAheadTest, ClientJoinsALayerThatIsComing) {
  get_manifest(manifest(2));
  pull(0);
  find(1)->start(0, layer(1).size());
  BlobAsker client;
  open(client, digest(1));
  timers_.run();
  finish(1);
  EXPECT_TRUE(client.whole());
  EXPECT_EQ(upstream_->count(UpstreamKind::kBlobGet), 2u);
  timers_.advance(std::chrono::hours(2));
  EXPECT_EQ(counters_.ahead_unused_bytes, 0u);
}

TEST_F(PullAheadTest, LargeLayerThatAClientJoinsIsNotAskedForAgain) {
  get_manifest(manifest(2));
  pull(0);
  find(1)->start(0, 64 << 20);
  BlobAsker client;
  open(client, digest(1));
  timers_.run();
  EXPECT_EQ(upstream_->count(UpstreamKind::kBlobGet), 2u);
  EXPECT_FALSE(find(1)->paused());
}

TEST_F(PullAheadTest, ConfigurationFetchesNothingAhead) {
  get_manifest(manifest(3));
  BlobAsker client;
  open(client, oci::Digest::of("config"));
  timers_.run();
  send_all("config", 0, 6);
  EXPECT_TRUE(coming().empty());
}

TEST_F(PullAheadTest, StoredLayersAreNotFetched) {
  store_.add_blob(layer(1));
  get_manifest(manifest(3));
  pull(0);
  EXPECT_EQ(coming(), Numbers{2});
}

TEST_F(PullAheadTest, StoredLayerBeginsNothing) {
  store_.add_blob(layer(0));
  get_manifest(manifest(3));
  BlobAsker client;
  open(client, digest(0));
  timers_.run();
  EXPECT_TRUE(coming().empty());
}

TEST_F(PullAheadTest, LayerOfAnotherRepositoryBeginsNothing) {
  get_manifest(manifest(3));
  BlobAsker client;
  client.handle = cache_->open_blob(hub(), "library/alpine", digest(0), client.done());
  timers_.run();
  finish(0);
  EXPECT_TRUE(coming().empty());
}

TEST_F(PullAheadTest, TakesTheImageThatWasServedLast) {
  get_manifest(manifest(3, 0));
  get_manifest(R"({"schemaVersion":2,"mediaType":")" + std::string(oci::kOciManifest) +
               R"(","config":)" + descriptor("config") + R"(,"layers":[)" + descriptor(layer(0)) +
               "," + descriptor(layer(7)) + "]}");
  pull(0);
  EXPECT_EQ(coming(), Numbers{7});
}

TEST_F(PullAheadTest, ForgetsAManifestAfterMinutes) {
  get_manifest(manifest(3));
  timers_.advance(PullAhead::kRemembered + std::chrono::minutes(1));
  EXPECT_EQ(timers_.waiting(), 1u) << "only the look at the disk";
  pull(0);
  EXPECT_TRUE(coming().empty());
}

TEST_F(PullAheadTest, EndsWhenTheClientLeavesInTheMidst) {
  get_manifest(manifest(6));
  pull(0);
  find(1)->start(0, layer(1).size());
  find(2)->start(0, layer(2).size());
  BlobAsker client;
  open(client, digest(1));
  timers_.run();
  find(1)->send("layer");
  timers_.run();
  client.leave();
  timers_.run();
  EXPECT_TRUE(coming().empty());
}

TEST_F(PullAheadTest, BeginsNoLayerLongAfterTheLastRequest) {
  get_manifest(manifest(9));
  pull(0);
  timers_.advance(PullAhead::kPatience + std::chrono::minutes(2));
  EXPECT_TRUE(coming().empty());
}

TEST_F(PullAheadTest, CountsWhatNobodyAskedFor) {
  get_manifest(manifest(3));
  pull(0);
  finish(1);
  finish(2);
  BlobAsker client;
  open(client, digest(1));
  timers_.advance(std::chrono::minutes(59));
  EXPECT_EQ(counters_.ahead_unused_bytes, 0u);
  timers_.advance(std::chrono::minutes(3));
  EXPECT_EQ(counters_.ahead_unused_bytes, layer(2).size());
}

TEST_F(PullAheadTest, EndsAfterAFailure) {
  get_manifest(manifest(5));
  pull(0);
  find(1)->fail(ErrorCode::kUnavailable);
  timers_.run();
  EXPECT_TRUE(coming().empty());
  pull(1);
  EXPECT_EQ(coming(), (Numbers{2, 3, 4}));
}

TEST_F(PullAheadTest, DisplacesNothingThatWasUsedToday) {
  const auto used = fill_up(std::chrono::hours(23));
  get_manifest(manifest(3));
  pull(0);
  find(1)->start(0, layer(1).size());
  timers_.run();
  EXPECT_TRUE(coming().empty());
  EXPECT_TRUE(store_.has_blob(used));
  EXPECT_FALSE(cache_->full());
  EXPECT_EQ(counters_.fills_failed, 0u);
}

TEST_F(PullAheadTest, AsksForNothingForMinutesAfterTheCacheHadNoRoom) {
  fill_up(std::chrono::hours(23));
  get_manifest(manifest(4));
  pull(0);
  find(1)->start(0, layer(1).size());
  timers_.run();
  pull(1);
  EXPECT_TRUE(coming().empty());
  clock_.advance(PullAhead::kWithoutRoom);
  pull(2);
  EXPECT_EQ(coming(), (Numbers{3}));
}

TEST_F(PullAheadTest, DisplacesWhatWasNotUsedToday) {
  const auto unused = fill_up(std::chrono::hours(25));
  get_manifest(manifest(3));
  pull(0);
  find(1)->start(0, layer(1).size());
  timers_.run();
  finish(1);
  EXPECT_TRUE(store_.has_blob(digest(1)));
  EXPECT_FALSE(store_.has_blob(unused));
}

TEST_F(PullAheadTest, IsOffByTheRules) {
  rules_.pull_ahead = false;
  make_cache();
  get_manifest(manifest(3));
  pull(0);
  EXPECT_TRUE(coming().empty());
}

TEST_F(PullAheadTest, IsOffOnAThinLink) {
  cache_->set_link_rate(PullAhead::kThinLink - 1);
  get_manifest(manifest(3));
  pull(0);
  EXPECT_TRUE(coming().empty());
}

TEST_F(PullAheadTest, EndsWhenTheLinkBecomesThin) {
  get_manifest(manifest(3));
  pull(0);
  EXPECT_EQ(coming(), (Numbers{1, 2}));
  cache_->set_link_rate(PullAhead::kThinLink - 1);
  timers_.run();
  EXPECT_TRUE(coming().empty());
}

TEST_F(PullAheadTest, WaitsWhileUpstreamAsksForQuiet) {
  get_manifest(manifest(3));
  BlobAsker client, refused;
  begin(client, 0);
  open(refused, oci::Digest::of("refused"));
  timers_.run();
  for (const Request& request : upstream_->pending()) {
    if (request->reference == oci::Digest::of("refused").str()) {
      request->fail(ErrorCode::kThrottled);
    }
  }
  timers_.run();
  finish(0);
  EXPECT_TRUE(coming().empty());
}

}  // namespace
}  // namespace layby::cache
