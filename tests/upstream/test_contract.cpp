// SPDX-License-Identifier: Apache-2.0
//
// Runs the contract suite on the fake upstream and on a Registry that talks to a server.

#include "support/upstream_contract.h"

#include <map>

#include "support/fake_upstream.h"
#include "upstream/registry_fixture.h"

namespace layby::testing {
namespace {

// Answers each pending request, one step in each round.
class FakeRig final : public UpstreamRig {
 public:
  cache::Upstream& upstream() override { return fake_; }

  bool turn_until(const std::function<bool()>& done) override {
    for (int turns = 0; turns < 1000; ++turns) {
      if (done()) return true;
      for (const auto& request : fake_.pending()) {
        if (request->pending()) step(*request);
      }
      for (const auto& ping : fake_.pings()) {
        if (ping->pending()) step(*ping);
      }
    }
    return done();
  }

 private:
  void step(UpstreamRequest& request) {
    if (request.reference == "missing" || request.reference == oci::Digest::of("missing").str()) {
      return request.fail(ErrorCode::kNotFound);
    }
    switch (request.kind) {
      case UpstreamKind::kManifestHead:
        return request.answer_manifest_head(cache::ManifestHead{
            content.manifest_digest(), content.media_type, content.manifest.size()});
      case UpstreamKind::kManifestGet:
        return request.answer_manifest(cache::ManifestBody{content.manifest, content.media_type});
      case UpstreamKind::kBlobHead:
        return request.answer_blob_head(cache::BlobHead{content.blob.size()});
      case UpstreamKind::kBlobGet:
        return step_blob(request);
      case UpstreamKind::kTags:
        return request.answer_tags(cache::TagPage{content.tags, false});
      case UpstreamKind::kReferrers:
        return request.answer_referrers(content.referrers);
      case UpstreamKind::kPing:
        return request.answer_ping({});
    }
  }
  void step_blob(UpstreamRequest& request) {
    if (!request.was_sent() && !request.is_hedge()) return request.note_sent();
    if (!request.started()) {
      sent_[&request] = request.offset;
      return request.start(request.offset, content.blob.size());
    }
    if (request.paused()) return;
    std::size_t& at = sent_[&request];
    if (at == content.blob.size()) return request.end({});
    const auto piece = std::string_view(content.blob).substr(at, 65536);
    at += piece.size();
    request.send(piece);
  }

  FakeUpstream fake_;
  std::map<const UpstreamRequest*, std::size_t> sent_;
};

class RegistryRig final : public UpstreamRig {
 public:
  RegistryRig() : loop_(std::move(event::Loop::create()).value()) {
    multi_ = std::move(upstream::Multi::create(*loop_)).value();
    upstream::RegistryOptions options;
    options.url = http::parse_url(server_.url()).value();
    registry_ = std::make_unique<upstream::Registry>(options, *multi_, clock_, counters_);
  }
  cache::Upstream& upstream() override { return *registry_; }
  bool turn_until(const std::function<bool()>& done) override {
    return upstream::turn_until(*loop_, done);
  }

 private:
  void answer(const SeenRequest& request, Peer& peer) const {
    const std::string base = "/v2/" + content.repository;
    if (request.target.starts_with("/token")) return peer.reply(200, {}, R"({"token":"t"})");
    if (request.header("authorization") != "Bearer t") {
      return peer.reply(401, {{"WWW-Authenticate",
                               "Bearer realm=\"http://" + request.header("host") + "/token\""}});
    }
    if (request.target == base + "/manifests/" + content.tag ||
        request.target == base + "/manifests/" + content.manifest_digest().str()) {
      return peer.reply(200,
                        {{"Content-Type", content.media_type},
                         {"Docker-Content-Digest", content.manifest_digest().str()}},
                        content.manifest);
    }
    if (request.target == base + "/blobs/" + content.blob_digest().str()) {
      return answer_blob(request, peer);
    }
    if (request.target == base + "/tags/list") {
      return peer.reply(200, {}, R"({"tags":["bookworm","trixie"]})");
    }
    if (request.target == base + "/referrers/" + content.manifest_digest().str()) {
      return peer.reply(200, {}, content.referrers);
    }
    peer.reply(404);
  }
  void answer_blob(const SeenRequest& request, Peer& peer) const {
    const std::string range = request.header("range");
    if (range.empty()) return peer.reply(200, {}, content.blob);
    const std::string first = range.substr(6, range.find('-') - 6);
    const std::string size = std::to_string(content.blob.size());
    const std::string last = std::to_string(content.blob.size() - 1);
    peer.reply(206, {{"Content-Range", "bytes " + first + "-" + last + "/" + size}},
               content.blob.substr(std::stoul(first)));
  }

  FakeClock clock_;
  Counters counters_;
  TinyHttpServer server_{[this](const SeenRequest& request, Peer& peer) { answer(request, peer); }};
  std::unique_ptr<event::Loop> loop_;
  std::unique_ptr<upstream::Multi> multi_;
  std::unique_ptr<upstream::Registry> registry_;
};

INSTANTIATE_TEST_SUITE_P(Fake, UpstreamContract, ::testing::Values([] {
                           return std::unique_ptr<UpstreamRig>(std::make_unique<FakeRig>());
                         }));
INSTANTIATE_TEST_SUITE_P(Registry, UpstreamContract, ::testing::Values([] {
                           return std::unique_ptr<UpstreamRig>(std::make_unique<RegistryRig>());
                         }));

}  // namespace
}  // namespace layby::testing
