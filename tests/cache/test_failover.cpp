// SPDX-License-Identifier: Apache-2.0
//
// A parent and a registry, each behind its guard, as one upstream: which of the two is asked
// first, when the second is asked, and whose limits count.

#include "cache/guard_test.h"
#include "layby/cache/failover.h"

namespace layby::cache {
namespace {

using testing::FakeUpstream;

class FailoverTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto parent = make_guard("parent", parent_);
    auto registry = make_guard("docker.io", registry_);
    both_ = std::make_unique<Failover>(
        std::move(parent), std::move(registry), clock_,
        [this](const std::string&, const oci::Tag&) { return age_limit_; });
  }
  void TearDown() override { both_.reset(); }

  std::unique_ptr<Guard> make_guard(const std::string& name, FakeUpstream*& inner) {
    auto upstream = std::make_unique<FakeUpstream>();
    inner = upstream.get();
    return std::make_unique<Guard>(name, GuardRules{}, std::move(upstream), timers_, clock_,
                                   events_);
  }

  void head(Asker<ManifestHead>& asker, milliseconds deadline = seconds(10)) {
    asker.handle = both_->head_manifest("library/debian", tag_, deadline, asker.done());
  }
  void get(Asker<ManifestBody>& asker) {
    asker.handle = both_->get_manifest("library/debian", tag_, asker.done());
  }
  void open(BlobTaker& taker, std::uint64_t offset = 0) {
    taker.transfer = both_->get_blob("library/debian", digest_, offset, taker);
  }
  // Lets a request to the parent time out, after which the parent's guard refuses requests.
  void take_parent_down() {
    BlobTaker blob;
    open(blob);
    parent_->only_pending()->fail(ErrorCode::kTimedOut);
  }
  // Lets the parent fail after the first bytes of the blob.
  void break_parents_blob() {
    BlobTaker blob;
    open(blob);
    const auto transfer = parent_->only_pending();
    transfer->start(0, 10);
    transfer->send("abc");
    transfer->fail(ErrorCode::kTimedOut);
  }
  void take_registry_down() {
    BlobTaker blob;
    open(blob);
    parent_->only_pending()->fail(ErrorCode::kNotFound);
    registry_->only_pending()->fail(ErrorCode::kTimedOut);
  }

  // Sends a HEAD, which the parent answers with `age`.
  void head_of_age(Asker<ManifestHead>& asker, AnswerAge age) {
    head(asker);
    parent_->only_pending()->answer_manifest_head(ManifestHead{digest_, "", 1, age});
  }
  static Error declined() {
    Error error{ErrorCode::kUnavailable, "parent: answered 503"};
    error.declined = true;
    return error;
  }

  milliseconds age_limit_ = seconds(60);
  const oci::Tag tag_ = "bookworm";
  const oci::Digest digest_ = oci::Digest::of("a blob");
  testing::FakeClock clock_;
  testing::FakeTimers timers_{clock_};
  events::Events events_;
  FakeUpstream* parent_ = nullptr;
  FakeUpstream* registry_ = nullptr;
  std::unique_ptr<Failover> both_;
};

// A kind of request: a function that sends the request, and a function that answers it well.
struct Kind {
  UpstreamKind kind;
  std::function<Handle(Upstream&, std::function<void(ErrorCode)>)> ask;  // kIo: a good answer
  std::function<void(testing::UpstreamRequest&)> answer;
};

template <typename T>
std::function<void(Result<T>)> code_of(std::function<void(ErrorCode)> done) {
  return [done = std::move(done)](const Result<T>& result) {
    done(result.ok() ? ErrorCode::kIo : result.error().code);
  };
}

std::vector<Kind> all_kinds() {
  const oci::Digest digest = oci::Digest::of("a blob");
  return {
      {UpstreamKind::kManifestHead,
       [](Upstream& both, auto done) {
         return both.head_manifest("r", oci::Tag("t"), seconds(10), code_of<ManifestHead>(done));
       },
       [](auto& request) { request.answer_manifest_head(ManifestHead{}); }},
      {UpstreamKind::kManifestGet,
       [](Upstream& both, auto done) {
         return both.get_manifest("r", oci::Tag("t"), code_of<ManifestBody>(done));
       },
       [](auto& request) { request.answer_manifest(ManifestBody{}); }},
      {UpstreamKind::kBlobHead,
       [digest](Upstream& both, auto done) {
         return both.head_blob("r", digest, code_of<BlobHead>(done));
       },
       [](auto& request) { request.answer_blob_head(BlobHead{}); }},
      {UpstreamKind::kTags,
       [](Upstream& both, auto done) { return both.get_tags("r", {}, code_of<TagPage>(done)); },
       [](auto& request) { request.answer_tags(TagPage{}); }},
      {UpstreamKind::kReferrers,
       [digest](Upstream& both, auto done) {
         return both.get_referrers("r", digest, "sbom", code_of<std::string>(done));
       },
       [](auto& request) { request.answer_referrers(std::string()); }},
  };
}

TEST_F(FailoverTest, ParentIsAskedFirstAndItsAnswerSuffices) {
  for (const Kind& kind : all_kinds()) {
    std::optional<ErrorCode> code;
    const Handle handle = kind.ask(*both_, [&](ErrorCode given) { code = given; });
    EXPECT_EQ(parent_->only_pending()->kind, kind.kind);
    kind.answer(*parent_->only_pending());
    EXPECT_EQ(code, ErrorCode::kIo);
  }
  EXPECT_TRUE(registry_->requests().empty());
}

TEST_F(FailoverTest, EveryErrorOfTheParentSendsTheRequestToTheRegistry) {
  for (const ErrorCode error :
       {ErrorCode::kNotFound, ErrorCode::kDenied, ErrorCode::kThrottled, ErrorCode::kCorrupt,
        ErrorCode::kInvalid, ErrorCode::kUnavailable}) {
    for (const Kind& kind : all_kinds()) {
      SetUp();
      std::optional<ErrorCode> code;
      const Handle handle = kind.ask(*both_, [&](ErrorCode given) { code = given; });
      parent_->only_pending()->fail(error);
      EXPECT_FALSE(code);
      EXPECT_EQ(registry_->only_pending()->kind, kind.kind);
      kind.answer(*registry_->only_pending());
      EXPECT_EQ(code, ErrorCode::kIo);
    }
  }
}

TEST_F(FailoverTest, WhenBothFailTheRegistrysErrorCounts) {
  for (const Kind& kind : all_kinds()) {
    std::optional<ErrorCode> code;
    const Handle handle = kind.ask(*both_, [&](ErrorCode given) { code = given; });
    parent_->only_pending()->fail(ErrorCode::kNotFound);
    registry_->only_pending()->fail(ErrorCode::kDenied);
    EXPECT_EQ(code, ErrorCode::kDenied);
  }
}

TEST_F(FailoverTest, BothGetTheSameRequest) {
  Asker<TagPage> asker;
  asker.handle = both_->get_tags("library/debian", {3, "b"}, asker.done());
  parent_->only_pending()->fail(ErrorCode::kNotFound);
  const auto request = registry_->only_pending();
  EXPECT_EQ(request->repository, "library/debian");
  EXPECT_EQ(request->page.count, 3u);
  EXPECT_EQ(request->page.last, "b");
}

TEST_F(FailoverTest, BothAreAskedForTheSameClient) {
  const IpAddress client = *parse_ip_address("192.0.2.1");
  for (const Kind& kind : all_kinds()) {
    const Handle handle = kind.ask(both_->on_behalf_of(client), [](ErrorCode) {});
    const auto of_parent = parent_->only_pending()->askers;
    parent_->only_pending()->fail(ErrorCode::kNotFound);
    const auto of_registry = registry_->only_pending()->askers;
    ASSERT_TRUE(of_parent && of_registry);
    EXPECT_EQ(*of_parent, std::vector<IpAddress>{client});
    EXPECT_EQ(*of_registry, std::vector<IpAddress>{client});
    kind.answer(*registry_->only_pending());
  }
}

TEST_F(FailoverTest, RegistryIsAskedForTheClientWhileTheParentIsDown) {
  const IpAddress client = *parse_ip_address("192.0.2.1");
  take_parent_down();
  for (const Kind& kind : all_kinds()) {
    const Handle handle = kind.ask(both_->on_behalf_of(client), [](ErrorCode) {});
    const auto of_registry = registry_->only_pending()->askers;
    ASSERT_TRUE(of_registry);
    EXPECT_EQ(*of_registry, std::vector<IpAddress>{client});
    kind.answer(*registry_->only_pending());
  }
}

TEST_F(FailoverTest, ParentGetsHalfOfTheDeadline) {
  Asker<ManifestHead> asker;
  head(asker);
  EXPECT_EQ(parent_->only_pending()->deadline, seconds(5));
  clock_.advance(seconds(5));
  parent_->only_pending()->fail(ErrorCode::kTimedOut);
  EXPECT_EQ(registry_->only_pending()->deadline, seconds(5));
}

TEST_F(FailoverTest, ParentGetsAtMostFiveSecondsOfALongDeadline) {
  Asker<ManifestHead> asker;
  head(asker, seconds(30));
  EXPECT_EQ(parent_->only_pending()->deadline, seconds(5));
  clock_.advance(seconds(5));
  parent_->only_pending()->fail(ErrorCode::kTimedOut);
  EXPECT_EQ(registry_->only_pending()->deadline, seconds(25));
}

TEST_F(FailoverTest, RegistryGetsTheTimeThatTheParentLeaves) {
  Asker<ManifestHead> asker;
  head(asker);
  clock_.advance(seconds(1));
  parent_->only_pending()->fail(ErrorCode::kUnavailable);
  EXPECT_EQ(registry_->only_pending()->deadline, seconds(9));
}

TEST_F(FailoverTest, RegistryAloneGetsTheWholeDeadline) {
  take_parent_down();
  Asker<ManifestHead> asker;
  head(asker);
  EXPECT_EQ(registry_->only_pending()->deadline, seconds(10));
}

TEST_F(FailoverTest, DownParentIsNotAsked) {
  take_parent_down();
  for (const Kind& kind : all_kinds()) {
    const std::size_t before = parent_->requests().size();
    std::optional<ErrorCode> code;
    const Handle handle = kind.ask(*both_, [&](ErrorCode given) { code = given; });
    EXPECT_EQ(parent_->requests().size(), before);
    EXPECT_EQ(registry_->only_pending()->kind, kind.kind);
    kind.answer(*registry_->only_pending());
    EXPECT_EQ(code, ErrorCode::kIo);
  }
}

TEST_F(FailoverTest, DownRegistryIsNotAskedAfterTheParentFails) {
  take_registry_down();
  for (const Kind& kind : all_kinds()) {
    const std::size_t before = registry_->requests().size();
    std::optional<ErrorCode> code;
    const Handle handle = kind.ask(*both_, [&](ErrorCode given) { code = given; });
    parent_->only_pending()->fail(ErrorCode::kNotFound);
    EXPECT_EQ(registry_->requests().size(), before);
    EXPECT_EQ(code, ErrorCode::kUnavailable) << "the registry might have it";
  }
}

TEST_F(FailoverTest, DroppingTheHandleCancelsTheRequestUnderWay) {
  Asker<ManifestBody> first, second;
  get(first);
  const auto of_parent = parent_->only_pending();
  first.handle.reset();
  EXPECT_TRUE(of_parent->cancelled());
  get(second);
  parent_->only_pending()->fail(ErrorCode::kNotFound);
  const auto of_registry = registry_->only_pending();
  second.handle.reset();
  EXPECT_TRUE(of_registry->cancelled());
}

TEST_F(FailoverTest, HandleMayBeDroppedInsideTheAnswer) {
  for (const bool parent_answers : {true, false}) {
    Asker<ManifestBody> asker;
    asker.then = [&] { asker.handle.reset(); };
    get(asker);
    if (!parent_answers) parent_->only_pending()->fail(ErrorCode::kNotFound);
    (parent_answers ? parent_ : registry_)->only_pending()->answer_manifest(ManifestBody{});
    EXPECT_TRUE(asker.ok());
  }
}

// -- blobs

TEST_F(FailoverTest, BlobOfTheParentIsTaken) {
  BlobTaker blob;
  open(blob);
  const auto transfer = parent_->only_pending();
  transfer->start(0, 3);
  transfer->send("abc");
  transfer->end({});
  EXPECT_EQ(blob.bytes, "abc");
  ASSERT_TRUE(blob.ended);
  EXPECT_TRUE(blob.ended->ok());
  EXPECT_TRUE(registry_->requests().empty());
}

TEST_F(FailoverTest, BlobThatFailsBeforeItsFirstByteComesFromTheRegistry) {
  BlobTaker blob;
  open(blob, 7);
  parent_->only_pending()->fail(ErrorCode::kUnavailable);
  EXPECT_FALSE(blob.ended);
  const auto transfer = registry_->only_pending();
  EXPECT_EQ(transfer->reference, digest_.str());
  EXPECT_EQ(transfer->offset, 7u);
  transfer->start(7, 10);
  transfer->send("abc");
  transfer->end({});
  EXPECT_EQ(blob.bytes, "abc");
  EXPECT_TRUE(blob.ended->ok());
}

TEST_F(FailoverTest, BlobThatBreaksLaterFailsForTheCaller) {
  BlobTaker blob;
  open(blob);
  const auto transfer = parent_->only_pending();
  transfer->start(0, 10);
  transfer->send("abc");
  transfer->fail(ErrorCode::kUnavailable);
  EXPECT_EQ(blob.error(), ErrorCode::kUnavailable);
  EXPECT_TRUE(registry_->requests().empty());
}

TEST_F(FailoverTest, BlobThatBrokeAtTheParentGoesOnAtTheRegistry) {
  break_parents_blob();
  BlobTaker rest;
  open(rest, 3);
  EXPECT_EQ(registry_->only_pending()->offset, 3u);
  EXPECT_EQ(parent_->requests().size(), 1u);
}

TEST_F(FailoverTest, BlobThatBrokeAtTheParentIsAskedThereAgainAfterAMinute) {
  break_parents_blob();
  timers_.advance(seconds(60));
  BlobTaker rest;
  open(rest, 3);
  EXPECT_EQ(parent_->only_pending()->offset, 3u);
}

TEST_F(FailoverTest, BlobThatBrokeAtBothIsAskedAtTheParentAgain) {
  break_parents_blob();
  BlobTaker rest;
  open(rest, 3);
  registry_->only_pending()->fail(ErrorCode::kNotFound);
  EXPECT_EQ(rest.error(), ErrorCode::kNotFound);
  BlobTaker again;
  open(again, 3);
  EXPECT_EQ(parent_->only_pending()->offset, 3u);
}

TEST_F(FailoverTest, BlobThatBrokeAtTheParentIsAskedThereAgainWhileTheRegistryIsDown) {
  take_registry_down();
  break_parents_blob();
  BlobTaker rest;
  open(rest, 3);
  EXPECT_EQ(parent_->only_pending()->offset, 3u);
}

TEST_F(FailoverTest, RegistrysBlobFailureReachesTheCaller) {
  BlobTaker blob;
  open(blob);
  parent_->only_pending()->fail(ErrorCode::kNotFound);
  registry_->only_pending()->fail(ErrorCode::kDenied);
  EXPECT_EQ(blob.error(), ErrorCode::kDenied);
  EXPECT_EQ(registry_->requests().size(), 1u);
}

TEST_F(FailoverTest, BlobComesFromTheRegistryWhenTheParentIsDown) {
  take_parent_down();
  const std::size_t before = parent_->requests().size();
  BlobTaker blob;
  open(blob);
  EXPECT_EQ(parent_->requests().size(), before);
  registry_->only_pending()->start(0, 3);
  EXPECT_TRUE(blob.started);
}

TEST_F(FailoverTest, BlobFailsAtOnceWhenTheParentLacksItAndTheRegistryIsDown) {
  take_registry_down();
  const std::size_t before = registry_->requests().size();
  BlobTaker blob;
  open(blob);
  parent_->only_pending()->fail(ErrorCode::kNotFound);
  EXPECT_EQ(blob.error(), ErrorCode::kUnavailable);
  EXPECT_EQ(registry_->requests().size(), before);
}

TEST_F(FailoverTest, PauseCarriesOverToTheRegistry) {
  BlobTaker blob;
  open(blob);
  blob.transfer->pause();
  EXPECT_TRUE(parent_->only_pending()->paused());
  parent_->only_pending()->fail(ErrorCode::kUnavailable);
  EXPECT_TRUE(registry_->only_pending()->paused());
  blob.transfer->resume();
  EXPECT_FALSE(registry_->only_pending()->paused());
}

TEST_F(FailoverTest, DroppingABlobCancelsTheTransferUnderWay) {
  BlobTaker blob;
  open(blob);
  parent_->only_pending()->fail(ErrorCode::kUnavailable);
  const auto transfer = registry_->only_pending();
  blob.transfer.reset();
  EXPECT_TRUE(transfer->cancelled());
}

// -- limits

TEST_F(FailoverTest, NothingIsRefusedWhileOneOfThemAccepts) {
  take_parent_down();
  EXPECT_FALSE(both_->why_not(Ask::kManifest));
}

TEST_F(FailoverTest, NothingIsRefusedWhileOnlyTheRegistryIsDown) {
  take_registry_down();
  EXPECT_FALSE(both_->why_not(Ask::kManifest));
}

TEST_F(FailoverTest, WhenBothRefuseTheRegistrysReasonCounts) {
  take_registry_down();
  take_parent_down();
  const auto refusal = both_->why_not(Ask::kManifest);
  ASSERT_TRUE(refusal);
  EXPECT_NE(refusal->message.find("docker.io"), std::string::npos);
}

TEST_F(FailoverTest, BackgroundWaitsWhenBothWouldMakeItWait) {
  const policy::QuotaState used_up{{100, seconds(100)}, {0, seconds(100)}, "", clock_.wall_now()};
  registry_->set_quota(used_up);
  EXPECT_EQ(both_->patience(Ask::kManifest).wait.count(), 0) << "the parent's pulls aren't counted";
  take_parent_down();
  const Patience patience = both_->patience(Ask::kManifest);
  EXPECT_EQ(patience.wait, seconds(1));
  EXPECT_NE(patience.reason.find("docker.io"), std::string::npos);
}

TEST_F(FailoverTest, QuotaAndPingGoToTheRegistry) {
  const policy::QuotaState of_parent{{1, seconds(1)}, {1, seconds(1)}, "", clock_.wall_now()};
  const policy::QuotaState of_registry{{2, seconds(1)}, {2, seconds(1)}, "", clock_.wall_now()};
  parent_->set_quota(of_parent);
  EXPECT_FALSE(both_->quota());
  registry_->set_quota(of_registry);
  ASSERT_TRUE(both_->quota());
  EXPECT_EQ(both_->quota()->limit.count, 2u);
  std::optional<Status> answer;
  const Handle handle = both_->ping(seconds(1), [&](Status status) { answer = std::move(status); });
  EXPECT_TRUE(parent_->pings().empty());
  ASSERT_EQ(registry_->pings().size(), 1u);
  registry_->pings().front()->answer_ping({});
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->ok());
}

// -- the age of a parent's answers

TEST_F(FailoverTest, StaleAnswerOfTheParentIsNoAnswer) {
  Asker<ManifestHead> asker;
  head_of_age(asker, {seconds(45), true});
  EXPECT_FALSE(asker.answered());
  registry_->only_pending()->answer_manifest_head(ManifestHead{oci::Digest::of("new"), "", 1});
  ASSERT_TRUE(asker.ok());
  EXPECT_EQ(asker.value().digest, oci::Digest::of("new"));
  EXPECT_FALSE(asker.value().age.stale);
}

TEST_F(FailoverTest, AnswerOlderThanTheLimitIsNoAnswer) {
  Asker<ManifestHead> young, old;
  head_of_age(young, {seconds(60), false});
  ASSERT_TRUE(young.ok());
  EXPECT_EQ(young.value().age.age, seconds(60));
  EXPECT_FALSE(young.value().age.stale);
  head_of_age(old, {seconds(61), false});
  EXPECT_EQ(registry_->only_pending()->kind, UpstreamKind::kManifestHead);
}

TEST_F(FailoverTest, OldAnswerCountsAsStaleWhenTheRegistryFails) {
  for (const ErrorCode code : {ErrorCode::kThrottled, ErrorCode::kCorrupt, ErrorCode::kTimedOut}) {
    SetUp();
    Asker<ManifestHead> asker;
    head_of_age(asker, {seconds(61), false});
    registry_->only_pending()->fail(code);
    ASSERT_TRUE(asker.ok());
    EXPECT_EQ(asker.value().age.age, seconds(61));
    EXPECT_TRUE(asker.value().age.stale);
  }
}

TEST_F(FailoverTest, OldAnswerIsTakenAtOnceWhenTheRegistryIsDown) {
  take_registry_down();
  Asker<ManifestHead> asker;
  head_of_age(asker, {seconds(45), true});
  ASSERT_TRUE(asker.ok());
  EXPECT_TRUE(asker.value().age.stale);
}

TEST_F(FailoverTest, OldAnswerHidesNoRefusalOfTheRegistry) {
  Asker<ManifestHead> asker;
  head_of_age(asker, {seconds(45), true});
  registry_->only_pending()->fail(ErrorCode::kNotFound);
  EXPECT_EQ(asker.error(), ErrorCode::kNotFound);
}

TEST_F(FailoverTest, ContentWithADigestHasNoAge) {
  Asker<ManifestBody> asker;
  asker.handle = both_->get_manifest("library/debian", digest_, asker.done());
  parent_->only_pending()->answer_manifest(ManifestBody{"{}", "", {seconds(100'000), false}});
  EXPECT_TRUE(asker.ok());
}

// -- a parent without an uplink

TEST_F(FailoverTest, NobodyLeftToAskIsAFinalError) {
  take_registry_down();
  for (const Error& error : {declined(), Error{ErrorCode::kNotFound, ""}}) {
    for (const Kind& kind : all_kinds()) {
      std::optional<ErrorCode> code;
      const Handle handle = kind.ask(*both_, [&](ErrorCode given) { code = given; });
      parent_->only_pending()->fail(error);
      EXPECT_EQ(code, ErrorCode::kUnavailable);
    }
    Asker<ManifestBody> asker;
    std::optional<Error> last;
    const Handle handle =
        both_->get_manifest("library/debian", tag_, [&](const Result<ManifestBody>& body) {
          if (!body.ok()) last = body.error();
        });
    parent_->only_pending()->fail(error);
    ASSERT_TRUE(last);
    EXPECT_TRUE(last->declined);
    EXPECT_EQ(last->retry_after, seconds(5));
    BlobTaker blob;
    open(blob);
    parent_->only_pending()->fail(error);
    ASSERT_TRUE(blob.ended);
    EXPECT_TRUE(blob.ended->error().declined);
  }
}

TEST_F(FailoverTest, ParentThatBreaksMayBeAskedAgainSoon) {
  take_registry_down();
  BlobTaker blob;
  open(blob);
  parent_->only_pending()->fail(ErrorCode::kUnavailable);
  ASSERT_TRUE(blob.ended);
  EXPECT_FALSE(blob.ended->error().declined);
  EXPECT_EQ(blob.ended->error().retry_after, std::nullopt) << "the parent may be back at once";
}

TEST_F(FailoverTest, BackgroundWaitsWhileTheParentDeclinesAndTheRegistryIsDown) {
  take_registry_down();
  BlobTaker blob;
  open(blob);
  EXPECT_EQ(both_->patience(Ask::kBlob).wait.count(), 0);
  parent_->only_pending()->fail(declined());
  EXPECT_EQ(both_->patience(Ask::kBlob).wait, seconds(5));
}

}  // namespace
}  // namespace layby::cache
