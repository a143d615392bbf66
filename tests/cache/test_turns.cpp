// SPDX-License-Identifier: Apache-2.0
//
// How clients share the requests of a minute: each client has its part, and a free turn goes to the
// client with the fewest requests.

#include <deque>

#include "cache/guard_test.h"

namespace layby::cache {
namespace {

class TurnsTest : public GuardTest {
 protected:
  void SetUp() override {
    rules_.requests_per_minute = 41;  // 40 requests in any minute.
    GuardTest::SetUp();
  }
  void list_for(Asker<TagPage>& asker, const IpAddress& client,
                const std::string& repository = "library/debian") {
    asker.handle = guard_->on_behalf_of(client).get_tags(repository, {}, asker.done());
  }
  void check_for(Asker<ManifestHead>& asker, const IpAddress& client) {
    asker.handle = guard_->on_behalf_of(client).head_manifest("library/debian", tag_, seconds(20),
                                                              asker.done());
  }
  // Lets `client` ask `count` times, and returns how many of these requests were sent.
  std::size_t flood(const IpAddress& client, std::size_t count) {
    const std::size_t before = inner_->requests().size();
    for (std::size_t i = 0; i < count; ++i) list_for(flood_.emplace_back(), client);
    return inner_->requests().size() - before;
  }

  static inline const IpAddress kAnna = *parse_ip_address("10.0.0.1");
  static inline const IpAddress kBen = *parse_ip_address("10.0.0.2");
  static inline const IpAddress kCleo = *parse_ip_address("10.0.0.3");
  static inline const IpAddress kDora = *parse_ip_address("10.0.0.4");
  std::deque<Asker<TagPage>> flood_;
};

TEST_F(TurnsTest, OneClientLeavesAQuarterOfTheMinute) {
  EXPECT_EQ(flood(kAnna, 100), 30u);
  EXPECT_EQ(flood(kBen, 5), 5u);
}

TEST_F(TurnsTest, CheckOfATagFindsATurnAfterAFlood) {
  flood(kAnna, 100);
  Asker<ManifestHead> check;
  check_for(check, kBen);
  EXPECT_EQ(inner_->requests().size(), 31u);
}

TEST_F(TurnsTest, TheBoxItselfHasTheWholeMinute) { EXPECT_EQ(flood({}, 100), 40u); }

TEST_F(TurnsTest, FreeTurnIsGivenToTheClientWithFewestRequests) {
  flood(kAnna, 1);
  clock_.advance(seconds(1));
  flood(kAnna, 29);
  flood(kBen, 2);
  flood(kCleo, 6);
  ASSERT_EQ(flood(kDora, 2), 2u);
  clock_.advance(seconds(44));
  Asker<TagPage> anna, ben;
  list_for(anna, kAnna, "library/anna");
  list_for(ben, kBen, "library/ben");
  ASSERT_EQ(inner_->requests().size(), 40u);
  timers_.advance(seconds(15));
  ASSERT_EQ(inner_->requests().size(), 41u);
  EXPECT_EQ(inner_->requests().back()->repository, "library/ben");
  timers_.advance(seconds(1));
  EXPECT_EQ(inner_->requests().back()->repository, "library/anna");
}

TEST_F(TurnsTest, BlobIsCountedForItsClient) {
  struct ClientsTaker final : BlobSink {
    void on_blob_start(const BlobStart&) override {}
    void on_blob_bytes(std::string_view) override {}
    void on_blob_end(Status) override {}
    std::vector<IpAddress> clients() const override { return {kAnna}; }
  } taker;
  std::vector<std::unique_ptr<BlobTransfer>> transfers;
  for (int i = 0; i < 100; ++i) {
    transfers.push_back(guard_->get_blob("library/debian", digest_, 0, taker));
  }
  EXPECT_EQ(inner_->requests().size(), 30u);
  EXPECT_EQ(flood(kBen, 5), 5u);
}

TEST_F(TurnsTest, ShareComesBackAfterAMinute) {
  flood(kAnna, 30);
  flood_.clear();
  clock_.advance(std::chrono::minutes(1));
  EXPECT_EQ(flood(kAnna, 100), 30u);
}

TEST_F(TurnsTest, RequestGoesForAClientThatJoinedIt) {
  flood(kAnna, 30);
  clock_.advance(seconds(45));
  const auto askers = std::make_shared<std::vector<IpAddress>>(1, kAnna);
  Asker<ManifestHead> check;
  check.handle =
      guard_->on_behalf_of(askers).head_manifest("library/debian", tag_, seconds(20), check.done());
  ASSERT_EQ(inner_->requests().size(), 30u);
  askers->push_back(kBen);
  guard_->on_more_askers();
  timers_.run();
  EXPECT_EQ(inner_->requests().size(), 31u);
}

TEST_F(TurnsTest, BlobGoesForAClientThatJoinedIt) {
  flood(kAnna, 30);
  clock_.advance(seconds(45));
  BlobTaker taker;
  taker.waiting = {kAnna};
  open(taker);
  ASSERT_EQ(inner_->requests().size(), 30u);
  taker.waiting.push_back(kBen);
  taker.transfer->resume();
  timers_.run();
  EXPECT_EQ(inner_->requests().size(), 31u);
}

TEST_F(TurnsTest, LineIsServedOnceForAllClientsThatJoinInOneTurn) {
  flood(kAnna, 30);
  clock_.advance(seconds(45));
  const auto askers = std::make_shared<std::vector<IpAddress>>(1, kAnna);
  Asker<ManifestHead> check;
  check.handle =
      guard_->on_behalf_of(askers).head_manifest("library/debian", tag_, seconds(20), check.done());
  const std::size_t before = timers_.waiting();
  for (const IpAddress& client : {kBen, kCleo, kDora}) {
    askers->push_back(client);
    guard_->on_more_askers();
  }
  EXPECT_EQ(timers_.waiting(), before + 1);
  EXPECT_EQ(inner_->requests().size(), 30u) << "the line is served in the next turn";
  timers_.run();
  EXPECT_EQ(inner_->requests().size(), 31u);
}

TEST_F(TurnsTest, LineIsServedAgainForClientsThatJoinLater) {
  flood(kAnna, 30);
  clock_.advance(seconds(45));
  const auto first = std::make_shared<std::vector<IpAddress>>(1, kAnna);
  const auto second = std::make_shared<std::vector<IpAddress>>(1, kAnna);
  Asker<ManifestHead> checks[2];
  checks[0].handle = guard_->on_behalf_of(first).head_manifest("library/debian", tag_, seconds(20),
                                                               checks[0].done());
  checks[1].handle = guard_->on_behalf_of(second).head_manifest("library/debian", oci::Tag("sid"),
                                                                seconds(20), checks[1].done());
  guard_->on_more_askers();
  timers_.run();
  EXPECT_EQ(inner_->requests().size(), 30u) << "nobody has joined";
  for (const auto& askers : {second, first}) {
    askers->push_back(kBen);
    guard_->on_more_askers();
    timers_.run();
  }
  ASSERT_EQ(inner_->requests().size(), 32u);
  EXPECT_EQ(inner_->requests()[30]->reference, "sid");
  EXPECT_EQ(inner_->requests()[31]->reference, "bookworm");
}

// The upstream of the guard is a parent, which is told a client for each request.
class TurnsAtAParentTest : public TurnsTest {
 protected:
  void SetUp() override {
    rules_.requests_per_minute = 0;
    GuardTest::SetUp();
  }
  // The clients that the upstream is told with its newest request.
  std::vector<IpAddress> told() const {
    const auto& request = *inner_->requests().back();
    return request.askers ? *request.askers : request.clients();
  }
  using Clients = std::vector<IpAddress>;
};

TEST_F(TurnsAtAParentTest, UpstreamIsToldTheClient) {
  flood(kAnna, 1);
  EXPECT_EQ(told(), Clients{kAnna});
  BlobTaker taker;
  taker.waiting = {kBen};
  open(taker);
  EXPECT_EQ(told(), Clients{kBen});
}

TEST_F(TurnsAtAParentTest, OwnRequestOfTheBoxIsToldAsTheBox) {
  Asker<TagPage> list;
  this->list(list);
  EXPECT_EQ(told(), Clients{IpAddress()});
  BlobTaker taker;
  open(taker);
  EXPECT_EQ(told(), Clients{IpAddress()});
}

TEST_F(TurnsAtAParentTest, OfSeveralClientsTheOneWithFewestRequestsIsTold) {
  flood(kAnna, 2);
  flood(kBen, 1);
  Asker<ManifestHead> check;
  check.handle = guard_->on_behalf_of(std::make_shared<Clients>(Clients{{}, kAnna, kBen}))
                     .head_manifest("library/debian", tag_, seconds(20), check.done());
  EXPECT_EQ(told(), Clients{kBen});
  BlobTaker taker;
  taker.waiting = {kAnna, kBen, kCleo};
  open(taker);
  EXPECT_EQ(told(), Clients{kCleo});
}

TEST_F(TurnsAtAParentTest, RequestsOfTheLastMinuteCount) {
  flood(kAnna, 2);
  clock_.advance(std::chrono::minutes(1));
  flood(kBen, 1);
  BlobTaker taker;
  taker.waiting = {kBen, kAnna};
  open(taker);
  EXPECT_EQ(told(), Clients{kAnna});
}

TEST_F(TurnsAtAParentTest, HedgeForANewcomerIsToldAsTheNewcomer) {
  flood(kAnna, 2);
  BlobTaker taker;
  taker.waiting = {kAnna};
  open(taker);
  inner_->requests().back()->note_sent();
  taker.waiting.push_back(kBen);
  EXPECT_EQ(told(), Clients{kAnna}) << "the request was sent for Anna";
  ASSERT_TRUE(taker.transfer->hedge());
  EXPECT_EQ(told(), Clients{kBen});
}

// The loop may serve the line later than the turn was due.
TEST_F(TurnsTest, RequestIsNotSentAfterItsDeadline) {
  flood({}, 40);
  clock_.advance(seconds(41));
  Asker<ManifestHead> check;
  check_for(check, kBen);  // Its turn comes 1 s before its deadline.
  ASSERT_EQ(inner_->requests().size(), 40u);
  clock_.advance(seconds(21));
  timers_.run();
  EXPECT_EQ(inner_->requests().size(), 40u);
  ASSERT_TRUE(check.answered());
  EXPECT_EQ(check.error(), ErrorCode::kThrottled);
}

// Two clients ask for the same.
class JoinedTurnsTest : public CacheTest {
 protected:
  void SetUp() override {
    guard_rules_.requests_per_minute = 41;
    CacheTest::SetUp();
    for (int i = 0; i < 30; ++i) {
      cache_->get_tags(
          hub(), "library/debian", {}, [](const auto&) {}, kAnna);
    }
    clock_.advance(seconds(45));
  }
  void ask(Asker<ManifestAnswer>& asker, const oci::Reference& reference, const IpAddress& client) {
    asker.handle =
        cache_->get_manifest(hub(), "library/debian", reference, false, asker.done(), client);
    timers_.run();
  }

  static inline const IpAddress kAnna = *parse_ip_address("10.0.0.1");
  static inline const IpAddress kBen = *parse_ip_address("10.0.0.2");
};

TEST_F(JoinedTurnsTest, CheckOfATagGoesForWhoJoinsIt) {
  Asker<ManifestAnswer> anna, ben;
  ask(anna, oci::Tag("bookworm"), kAnna);
  ASSERT_EQ(upstream_->count(testing::UpstreamKind::kManifestHead), 0u);
  ask(ben, oci::Tag("bookworm"), kBen);
  EXPECT_EQ(upstream_->count(testing::UpstreamKind::kManifestHead), 1u);
}

TEST_F(JoinedTurnsTest, ManifestIsFetchedForWhoJoins) {
  const auto digest = oci::Digest::of("a manifest");
  Asker<ManifestAnswer> anna, ben;
  ask(anna, digest, kAnna);
  ASSERT_EQ(upstream_->count(testing::UpstreamKind::kManifestGet), 0u);
  ask(ben, digest, kBen);
  EXPECT_EQ(upstream_->count(testing::UpstreamKind::kManifestGet), 1u);
}

}  // namespace
}  // namespace layby::cache
