// SPDX-License-Identifier: Apache-2.0
//
// Tests HEAD requests for manifests at registries that don't support HEAD.

#include <algorithm>
#include <atomic>

#include "layby/oci/manifest.h"
#include "upstream/registry_fixture.h"

namespace layby::upstream {
namespace {

// The server plays a registry that doesn't support HEAD, or a proxy in front of such a registry.
class ManifestHeadsTest : public RegistryTest {
 protected:
  void serve_without_heads(int status) {
    serve([this, status](const SeenRequest& request, Peer& peer) {
      if (request.method == "HEAD") return peer.reply(heads_work_ ? 200 : status);
      peer.reply(get_status_, {{"Content-Type", std::string(oci::kOciManifest)}}, "{}");
    });
  }
  std::size_t asked(const std::string& method) {
    const auto seen = server_->requests();
    return static_cast<std::size_t>(std::count_if(
        seen.begin(), seen.end(), [&](const SeenRequest& r) { return r.method == method; }));
  }

  std::atomic<bool> heads_work_{false};
  std::atomic<int> get_status_{200};
};

TEST_F(ManifestHeadsTest, AsksByGetWhereHeadIsUnsupported) {
  for (const int status : {405, 501}) {
    serve_without_heads(status);
    const auto head = head_manifest();
    ASSERT_TRUE(head.ok()) << head.error().message;
    EXPECT_EQ(head->digest, oci::Digest::of("{}"));
    EXPECT_EQ(head->media_type, oci::kOciManifest);
    EXPECT_EQ(head->size_bytes, 2u);
    EXPECT_EQ(asked("HEAD"), 1u);
    EXPECT_EQ(asked("GET"), 1u);
  }
}

TEST_F(ManifestHeadsTest, RemembersForADayThatHeadIsUnsupported) {
  serve_without_heads(405);
  ASSERT_TRUE(head_manifest().ok());
  heads_work_ = true;
  clock_.advance(23h);
  ASSERT_TRUE(head_manifest().ok());
  EXPECT_EQ(asked("HEAD"), 1u);
  EXPECT_EQ(asked("GET"), 2u);
  clock_.advance(2h);
  ASSERT_TRUE(head_manifest().ok());
  EXPECT_EQ(asked("HEAD"), 2u);
  EXPECT_EQ(asked("GET"), 2u);
}

TEST_F(ManifestHeadsTest, GetAfterTheDeadlineKeepsADeadline) {
  Gate gate;
  serve([&](const SeenRequest& request, Peer& peer) {
    if (request.method == "GET") return peer.hang();
    gate.wait();
    peer.reply(405);
  });
  std::optional<Result<cache::ManifestHead>> got;
  const auto handle = registry_->head_manifest(kRepository, kTag, 10s,
                                               [&](auto result) { got = std::move(result); });
  ASSERT_TRUE(turn([&] { return asked("HEAD") == 1; }));
  clock_.advance(11s);  // The alarm of the deadline follows the real clock, and doesn't ring.
  gate.open();
  ASSERT_TRUE(turn([&] { return got.has_value(); })) << "the GET has a deadline";
  ASSERT_FALSE(got->ok());
  EXPECT_EQ(got->error().code, ErrorCode::kTimedOut);
}

TEST_F(ManifestHeadsTest, RemembersNothingWhenTheGetFailsToo) {
  serve_without_heads(405);
  get_status_ = 404;
  const auto head = head_manifest();
  ASSERT_FALSE(head.ok());
  EXPECT_EQ(head.error().code, ErrorCode::kNotFound);
  ASSERT_FALSE(head_manifest().ok());
  EXPECT_EQ(asked("HEAD"), 2u);
}

TEST_F(ManifestHeadsTest, CanBeCancelledDuringTheGet) {
  Gate gate;
  serve([&](const SeenRequest& request, Peer& peer) {
    if (request.method == "HEAD") return peer.reply(405);
    gate.wait();
    peer.reply(200);
  });
  auto head =
      registry_->head_manifest(kRepository, kTag, 10s, [](const auto&) { FAIL() << "cancelled"; });
  ASSERT_TRUE(turn([&] { return asked("GET") == 1; }));
  head.reset();
  gate.open();
  EXPECT_FALSE(turn([] { return false; }, 50ms));
}

}  // namespace
}  // namespace layby::upstream
