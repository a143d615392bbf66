// SPDX-License-Identifier: Apache-2.0
//
// The fixture of the guard's tests: a Guard in front of an upstream that the test plays. The
// test answers the pings too, so the guard learns only from the test's answers.

#ifndef LAYBY_TESTS_CACHE_GUARD_TEST_H_
#define LAYBY_TESTS_CACHE_GUARD_TEST_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cache/cache_test.h"

namespace layby::cache {

// Takes a blob and records its events.
class BlobTaker final : public BlobSink {
 public:
  bool started = false;
  std::string bytes;
  std::optional<Status> ended;
  std::vector<IpAddress> waiting;  // The clients that wait for the blob.
  bool background = false;
  bool spare = false;
  std::unique_ptr<BlobTransfer> transfer;

  ErrorCode error() const {
    return ended && !ended->ok() ? ended->error().code : ErrorCode::kIo;  // kIo: no error.
  }

 private:
  void on_blob_start(const BlobStart&) override { started = true; }
  void on_blob_bytes(std::string_view more) override { bytes += more; }
  void on_blob_end(Status status) override {
    EXPECT_FALSE(ended) << "ended twice";
    ended = std::move(status);
  }
  std::vector<IpAddress> clients() const override { return waiting; }
  bool in_background() const override { return background; }
  bool is_spare() const override { return spare; }
};

class GuardTest : public ::testing::Test {
 protected:
  using Link = policy::Breaker::State;

  void SetUp() override { make_guard(); }
  // Makes a new guard with `rules_`.
  void make_guard() {
    guard_.reset();
    auto inner = std::make_unique<testing::FakeUpstream>();
    inner_ = inner.get();
    guard_ =
        std::make_unique<Guard>("docker.io", rules_, std::move(inner), timers_, clock_, events_);
  }

  void head(Asker<ManifestHead>& asker, milliseconds deadline) {
    asker.handle = guard_->head_manifest("library/debian", tag_, deadline, asker.done());
  }
  void get(Asker<ManifestBody>& asker) {
    asker.handle = guard_->get_manifest("library/debian", tag_, asker.done());
  }
  void list(Asker<TagPage>& asker) {
    asker.handle = guard_->get_tags("library/debian", {}, asker.done());
  }
  void open(BlobTaker& taker) {
    taker.transfer = guard_->get_blob("library/debian", digest_, 0, taker);
  }

  // Sends one request, which fails.
  void fail_list(const Error& error) {
    Asker<TagPage> asker;
    list(asker);
    inner_->only_pending()->fail(error);
    EXPECT_EQ(asker.error(), error.code);
  }
  void fail_list(ErrorCode code) { fail_list(Error{code, "fake upstream"}); }
  void fail_get(const Error& error) {
    Asker<ManifestBody> asker;
    get(asker);
    inner_->only_pending()->fail(error);
    EXPECT_EQ(asker.error(), error.code);
  }
  void answer_list() {
    Asker<TagPage> asker;
    list(asker);
    inner_->only_pending()->answer_tags(TagPage{});
    EXPECT_TRUE(asker.ok());
  }

  Link link() const { return guard_->status().link; }
  // Returns the code of the guard's refusal, or kNotRefused when the guard allows `ask`.
  ErrorCode refused(Ask ask) {
    const auto refusal = guard_->why_not(ask);
    return refusal ? refusal->code : ErrorCode::kIo;
  }
  void set_quota(std::uint64_t remaining, std::uint64_t limit = 100) {
    inner_->set_quota(policy::QuotaState{
        {limit, seconds(21'600)}, {remaining, seconds(21'600)}, "", clock_.wall_now()});
  }

  const oci::Tag tag_ = "bookworm";
  const oci::Digest digest_ = oci::Digest::of("a blob");
  GuardRules rules_;
  testing::FakeClock clock_;
  testing::FakeTimers timers_{clock_};
  testing::FakeUpstream* inner_ = nullptr;  // The guard owns it.
  events::Events events_;
  std::unique_ptr<Guard> guard_;
};

inline constexpr ErrorCode kNotRefused = ErrorCode::kIo;

}  // namespace layby::cache

#endif  // LAYBY_TESTS_CACHE_GUARD_TEST_H_
