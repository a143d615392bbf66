// SPDX-License-Identifier: Apache-2.0
//
// The simulated registry keeps its limit, and its blobs use the link.

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "layby/oci/manifest.h"
#include "site_day/hub.h"
#include "support/fake_timers.h"

namespace layby::site_day {
namespace {

using std::chrono::milliseconds;

// Takes a blob to its end.
class Taker final : public cache::BlobSink {
 public:
  Taker(Hub& hub, const oci::Digest& digest)
      : transfer(hub.get_blob("library/python", digest, 0, *this)) {}
  void on_blob_start(const cache::BlobStart&) override {}
  void on_blob_bytes(std::string_view more) override { bytes += more; }
  void on_blob_end(Status) override { ended = true; }

  std::string bytes;
  bool ended = false;
  std::unique_ptr<cache::BlobTransfer> transfer;
};

class HubTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {}

  oci::Digest root() const { return *images_.find_tag({"library/python", "3.13-slim"}); }
  // The base layer has 28 MB, which take 28 seconds on a link of 1 MB/s.
  oci::Digest layer() const {
    const auto child = [&](const oci::Digest& digest) {
      const auto* stored = images_.find_manifest(digest);
      return oci::parse_manifest(stored->bytes, stored->media_type);
    };
    return child(child(root())->manifests.front().digest)->layers.front().digest;
  }
  // Asks for a manifest. Returns whether the hub gave the manifest.
  bool get() {
    std::optional<bool> had;
    const auto handle =
        hub_.get_manifest("library/python", root(), [&](const auto& answer) { had = answer.ok(); });
    timers_.advance(milliseconds(40));
    return had.value();
  }

  testing::FakeClock clock_;
  testing::FakeTimers timers_{clock_};
  Images images_{1};
  Link link_{timers_, 1e6};
  Hub hub_{images_, link_, timers_, clock_};
};

TEST_F(HubTest, AllowsAHundredPullsInSixHours) {
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(get());
  EXPECT_FALSE(get());
  EXPECT_EQ(hub_.quota()->remaining.count, 0u);
  timers_.advance(std::chrono::hours(6));
  EXPECT_TRUE(get());
  EXPECT_EQ(hub_.quota()->remaining.count, 99u);
  EXPECT_EQ(hub_.pulls(), 101u);
}

TEST_F(HubTest, ABlobTakesTimeOnTheLink) {
  Taker taker(hub_, layer());
  timers_.advance(milliseconds(28'039));
  EXPECT_FALSE(taker.ended);
  timers_.advance(milliseconds(1));
  EXPECT_TRUE(taker.ended);
  EXPECT_EQ(oci::Digest::of(taker.bytes), layer());
  EXPECT_EQ(link_.sent_bytes(), 28'000'000u);
}

TEST_F(HubTest, TwoBlobsShareTheLinkUnlessOneIsPaused) {
  Taker one(hub_, layer());
  Taker other(hub_, layer());
  timers_.advance(std::chrono::seconds(28));
  EXPECT_NEAR(static_cast<double>(one.bytes.size()), 14'000, 300);
  EXPECT_NEAR(static_cast<double>(other.bytes.size()), 14'000, 300);
  one.transfer->pause();
  timers_.advance(std::chrono::seconds(15));
  EXPECT_TRUE(other.ended);
  EXPECT_FALSE(one.ended);
  one.transfer->resume();
  timers_.advance(std::chrono::seconds(15));
  EXPECT_TRUE(one.ended);
}

}  // namespace
}  // namespace layby::site_day
