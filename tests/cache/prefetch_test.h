// SPDX-License-Identifier: Apache-2.0
//
// The fixture of the prefetch tests: the images of library/python in a registry, the answers
// of that registry, and a prefetch list. A failed request isn't retried, and the number of requests
// per minute has no limit, so the guard never causes a wait.

#ifndef LAYBY_TESTS_CACHE_PREFETCH_TEST_H_
#define LAYBY_TESTS_CACHE_PREFETCH_TEST_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cache/cache_test.h"
#include "layby/oci/manifest.h"

namespace layby::cache {

class PrefetchTest : public CacheTest {
 protected:
  using Request = testing::FakeUpstream::RequestPtr;

  void SetUp() override {
    guard_rules_.requests_per_minute = 0;
    rules_.retry.max_attempts = 1;
    CacheTest::SetUp();
    prefetcher().on_ended([this] { ++times_ended_; });
    prefetcher().on_moved([this] { ++times_moved_; });
  }

  Prefetcher& prefetcher() { return cache_->prefetcher(); }
  PrefetchReport report() { return prefetcher().report(); }
  // The tag `name` in the report.
  PrefetchTag seen(const std::string& name) {
    for (PrefetchTag& tag : report().tags) {
      if (tag.tag.tag == name) return tag;
    }
    ADD_FAILURE() << name << " isn't in the report";
    return {};
  }
  PrefetchState state(const std::string& name) { return seen(name).state; }

  // -- content of the registry

  oci::Digest add_blob(const std::string& bytes) {
    blobs_[oci::Digest::of(bytes).str()] = bytes;
    return oci::Digest::of(bytes);
  }
  // Adds an image of one platform. The bytes of its config are made from the layers. The registry
  // doesn't have the foreign layer.
  oci::Digest add_image(const std::vector<std::string>& layers, const std::string& foreign = "") {
    std::string config = "config of";
    std::string list;
    if (!foreign.empty()) {
      list = descriptor("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
                        oci::Digest::of(foreign), foreign.size());
    }
    for (const std::string& layer : layers) {
      config += " " + layer;
      list += (list.empty() ? "" : ",") + descriptor("layer", add_blob(layer), layer.size());
    }
    return add_manifest(oci::kOciManifest,
                        R"("config":)" + descriptor("config", add_blob(config), config.size()) +
                            R"(,"layers":[)" + list + "]");
  }
  // A child of an index: a platform such as "linux/amd64", and the platform's manifest.
  using Child = std::pair<std::string, oci::Digest>;
  oci::Digest add_index(const std::vector<Child>& children) {
    std::string list;
    for (const auto& [platform, digest] : children) {
      list += (list.empty() ? "{" : ",{") + named(oci::kOciManifest, digest, 100) +
              platform_field(platform) + "}";
    }
    return add_manifest(oci::kOciIndex, R"("manifests":[)" + list + "]");
  }
  // An index with an attestation for each child.
  oci::Digest add_attested_index(const std::vector<Child>& children,
                                 const std::vector<oci::Digest>& attestations) {
    std::string list;
    for (std::size_t i = 0; i < children.size(); ++i) {
      const auto& [platform, digest] = children[i];
      list += (i == 0 ? "{" : ",{") + named(oci::kOciManifest, digest, 100) +
              platform_field(platform) + "},{" + named(oci::kOciManifest, attestations[i], 100) +
              platform_field("unknown/unknown") +
              R"(,"annotations":{"vnd.docker.reference.type":"attestation-manifest",)" +
              R"("vnd.docker.reference.digest":")" + digest.str() + "\"}}";
    }
    return add_manifest(oci::kOciIndex, R"("manifests":[)" + list + "]");
  }
  void set_tag(const std::string& tag, const oci::Digest& digest) {
    tags_.insert_or_assign(tag, digest);
  }
  // An image of one layer for linux/amd64, under an index.
  oci::Digest add_tagged(const std::string& tag, const std::string& layer) {
    const oci::Digest index = add_index({{"linux/amd64", add_image({layer})}});
    set_tag(tag, index);
    return index;
  }

  // -- answers of the registry

  void answer(testing::UpstreamRequest& request) {
    switch (request.kind) {
      case UpstreamKind::kManifestHead:
        return answer_head(request);
      case UpstreamKind::kManifestGet:
        return answer_manifest(request);
      case UpstreamKind::kBlobGet:
        return answer_blob(request);
      case UpstreamKind::kTags:
        return answer_tags(request);
      default:
        ADD_FAILURE() << "unexpected kind of request";
    }
  }
  // Answers all requests, or all requests of one kind, until none is left. Paused blobs stay
  // unanswered.
  void serve(std::optional<UpstreamKind> only = std::nullopt) {
    timers_.run();
    for (bool more = true; more; timers_.run()) {
      more = false;
      for (const Request& request : upstream_->pending()) {
        if (only && request->kind != *only) continue;
        if (!request->pending() || request->paused()) continue;
        answer(*request);
        more = true;
      }
    }
  }
  void serve_manifests() {
    for (int i = 0; i < 4; ++i) {
      serve(UpstreamKind::kManifestHead);
      serve(UpstreamKind::kManifestGet);
    }
  }
  // The first pending request of a kind.
  Request asked(UpstreamKind kind) {
    timers_.run();
    for (const Request& request : upstream_->pending()) {
      if (request->kind == kind) return request;
    }
    ADD_FAILURE() << "no request of this kind is pending";
    return upstream_->only_pending();
  }
  std::size_t pending(UpstreamKind kind) {
    timers_.run();
    std::size_t count = 0;
    for (const Request& request : upstream_->pending()) count += request->kind == kind ? 1 : 0;
    return count;
  }

  // -- the list

  PrefetchImage image(const std::vector<std::string>& tags,
                      const std::vector<std::string>& platforms = {"linux/amd64"}) {
    PrefetchImage image;
    image.origin = &hub();
    image.repository = "library/python";
    for (const std::string& tag : tags) image.tags.push_back(*policy::TagPattern::parse(tag));
    for (const std::string& platform : platforms) {
      image.choice.platforms.push_back(*oci::parse_platform(platform));
    }
    return image;
  }
  void set_list(std::vector<PrefetchImage> images) {
    list_.images = std::move(images);
    prefetcher().set_list(list_);
  }
  // Runs the whole list to its end.
  void run() {
    prefetcher().start();
    serve();
    EXPECT_FALSE(prefetcher().running());
  }

  bool has_manifest(const oci::Digest& digest) const { return store_.has_manifest(digest); }
  bool has_layer(const std::string& bytes) const { return store_.has_blob(oci::Digest::of(bytes)); }
  TagKey key(const std::string& tag) const { return {"docker.io", "library/python", tag}; }
  void pull(Asker<ManifestAnswer>& asker, const oci::Reference& reference) {
    asker.handle = cache_->get_manifest(hub(), "library/python", reference, false, asker.done());
  }
  void set_quota(std::uint64_t remaining) {
    upstream_->set_quota(policy::QuotaState{
        {100, seconds(21'600)}, {remaining, seconds(21'600)}, "", clock_.wall_now()});
  }

  PrefetchList list_;
  std::map<std::string, std::string> blobs_;
  std::map<std::string, ManifestBody> manifests_;
  std::map<std::string, oci::Digest> tags_;
  int times_ended_ = 0;
  int times_moved_ = 0;

 private:
  static std::string named(std::string_view type, const oci::Digest& digest, std::size_t size) {
    return R"("mediaType":")" + std::string(type) + R"(","digest":")" + digest.str() +
           R"(","size":)" + std::to_string(size);
  }
  static std::string descriptor(std::string_view type, const oci::Digest& digest,
                                std::size_t size) {
    return "{" + named(type, digest, size) + "}";
  }
  static std::string platform_field(const std::string& text) {
    const oci::Platform platform = *oci::parse_platform(text);
    return R"(,"platform":{"os":")" + platform.os + R"(","architecture":")" +
           platform.architecture + R"(","variant":")" + platform.variant + "\"}";
  }
  oci::Digest add_manifest(std::string_view type, const std::string& fields) {
    const std::string bytes =
        R"({"schemaVersion":2,"mediaType":")" + std::string(type) + "\"," + fields + "}";
    manifests_[oci::Digest::of(bytes).str()] = {bytes, std::string(type)};
    return oci::Digest::of(bytes);
  }

  void answer_head(testing::UpstreamRequest& request) {
    const auto at = tags_.find(request.reference);
    if (at == tags_.end()) return request.fail(ErrorCode::kNotFound);
    const ManifestBody& body = manifests_.at(at->second.str());
    request.answer_manifest_head(ManifestHead{at->second, body.media_type, body.bytes.size()});
  }
  void answer_manifest(testing::UpstreamRequest& request) {
    const auto at = manifests_.find(request.reference);
    if (at == manifests_.end()) return request.fail(ErrorCode::kNotFound, "not here");
    request.answer_manifest(at->second);
  }
  void answer_blob(testing::UpstreamRequest& request) {
    if (!blobs_.contains(request.reference)) return request.fail(ErrorCode::kNotFound, "not here");
    const std::string& bytes = blobs_.at(request.reference);
    request.start(request.offset, bytes.size());
    timers_.run();  // The fill may wait for an eviction.
    if (!request.pending()) return;
    request.send(std::string_view(bytes).substr(request.offset));
    request.end({});
  }
  void answer_tags(testing::UpstreamRequest& request) {
    TagPage page;
    for (const auto& [tag, digest] : tags_) page.tags.push_back(tag);
    request.answer_tags(page);
  }
};

}  // namespace layby::cache

#endif  // LAYBY_TESTS_CACHE_PREFETCH_TEST_H_
