// SPDX-License-Identifier: Apache-2.0
//
// The common parts of a Registry's tests: a loop that the test turns, a clock that stands
// still, a registry on a TinyHttpServer, and a sink that records its calls.

#ifndef LAYBY_TESTS_UPSTREAM_REGISTRY_FIXTURE_H_
#define LAYBY_TESTS_UPSTREAM_REGISTRY_FIXTURE_H_

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "layby/upstream/registry.h"
#include "support/fake_clock.h"
#include "support/tiny_http_server.h"

namespace layby::upstream {

using testing::Gate;
using testing::Peer;
using testing::SeenRequest;
using testing::TinyHttpServer;
using namespace std::chrono_literals;

inline const std::string kRepository = "library/debian";
inline const oci::Reference kTag = oci::Tag("bookworm");
inline const std::string kManifestTarget = "/v2/library/debian/manifests/bookworm";

// Turns `loop` until `done` holds; false when `done` doesn't hold within `limit`.
inline bool turn_until(event::Loop& loop, const std::function<bool()>& done,
                       std::chrono::milliseconds limit = 10s) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    const auto tick = loop.after(1ms, [&loop] { loop.stop(); });
    loop.run();
  }
  return true;
}

// Records its calls, and runs the test's hook at each call.
class RecordingSink final : public cache::BlobSink {
 public:
  void on_blob_start(const cache::BlobStart& at) override {
    ++starts;
    start = at;
    if (then_start) then_start();
  }
  void on_blob_bytes(std::string_view piece) override {
    bytes.append(piece);
    ++pieces;
    if (then_bytes) then_bytes();
  }
  void on_blob_end(Status status) override {
    ++ends;
    end = status;
    if (then_end) then_end();
  }

  bool in_background() const override { return background; }
  std::vector<IpAddress> clients() const override { return waiting; }

  bool ended() const { return ends > 0; }

  bool background = false;
  std::vector<IpAddress> waiting;
  cache::BlobStart start;
  std::string bytes;
  Status end;
  int starts = 0;
  int pieces = 0;
  int ends = 0;
  std::function<void()> then_start;
  std::function<void()> then_bytes;
  std::function<void()> then_end;
};

inline std::string message(const Status& status) {
  return status.ok() ? "ok" : status.error().message;
}

class RegistryTest : public ::testing::Test {
 protected:
  RegistryTest() : loop_(std::move(event::Loop::create()).value()) {
    multi_ = std::move(Multi::create(*loop_)).value();
    options_.name = "test";
    options_.user_agent = "layby/test";
  }

  // Limits the rate of all blobs together. To be called before connect() and serve().
  void limit_rate(std::uint64_t bytes_per_second) {
    MultiOptions options;
    options.max_rate = bytes_per_second;
    multi_ = std::move(Multi::create(*loop_, options)).value();
  }
  // Makes a registry at `url`, with options_.
  void connect(const std::string& url) {
    options_.url = http::parse_url(url).value();
    registry_ = std::make_unique<Registry>(options_, *multi_, clock_, counters_);
  }
  // Makes a server that runs `handler`, and a registry on it. The server's thread may still be in
  // `handler` when the test's own variables are gone. So `handler` must own everything that it uses
  // after it has sent its last byte.
  void serve(TinyHttpServer::Handler handler) {
    server_ = std::make_unique<TinyHttpServer>(std::move(handler));
    connect(server_->url());
  }
  // Sends the same reply to every request.
  void serve_reply(int status, Peer::Fields fields = {}, std::string body = "") {
    serve([=](const SeenRequest&, Peer& peer) { peer.reply(status, fields, body); });
  }
  // Sends the same raw bytes to every request, then closes the connection.
  void serve_raw(std::string bytes) {
    serve([bytes = std::move(bytes)](const SeenRequest&, Peer& peer) {
      peer.raw(bytes);
      peer.close();
    });
  }

  bool turn(const std::function<bool()>& done, std::chrono::milliseconds limit = 10s) {
    return turn_until(*loop_, done, limit);
  }

  // Runs `start` and returns the result that its callback gets.
  template <typename T>
  Result<T> wait_for(const std::function<Handle(cache::Upstream::Done<T>)>& start) {
    std::optional<Result<T>> got;
    const auto handle = start([&](Result<T> result) { got = std::move(result); });
    EXPECT_TRUE(turn([&] { return got.has_value(); })) << "no callback";
    return got ? *std::move(got) : Error{ErrorCode::kIo, "no callback"};
  }
  Result<cache::ManifestHead> head_manifest(const std::string& repository = kRepository,
                                            std::chrono::milliseconds deadline = 10s) {
    return wait_for<cache::ManifestHead>([&](auto done) {
      return registry_->head_manifest(repository, kTag, deadline, std::move(done));
    });
  }
  Result<cache::ManifestBody> get_manifest(const std::string& repository = kRepository) {
    return wait_for<cache::ManifestBody>(
        [&](auto done) { return registry_->get_manifest(repository, kTag, std::move(done)); });
  }
  Result<cache::BlobHead> head_blob() {
    return wait_for<cache::BlobHead>(
        [&](auto done) { return registry_->head_blob(kRepository, digest_, std::move(done)); });
  }
  Result<cache::TagPage> get_tags(const cache::TagPageRequest& page = {}) {
    return wait_for<cache::TagPage>(
        [&](auto done) { return registry_->get_tags(kRepository, page, std::move(done)); });
  }
  Result<std::string> get_referrers(const std::string& artifact_type = "") {
    return wait_for<std::string>([&](auto done) {
      return registry_->get_referrers(kRepository, digest_, artifact_type, std::move(done));
    });
  }
  // Gets a part of the blob into sink_.
  Status get_blob(const cache::BlobSpan& span = 0) {
    transfer_ = registry_->get_blob(kRepository, digest_, span, sink_);
    EXPECT_TRUE(turn([&] { return sink_.ended(); })) << "no end";
    return sink_.end;
  }

  std::string blob_target() const { return "/v2/library/debian/blobs/" + digest_.str(); }

  const oci::Digest digest_ = oci::Digest::of("a blob");
  testing::FakeClock clock_;
  Counters counters_;
  std::unique_ptr<event::Loop> loop_;
  std::unique_ptr<TinyHttpServer> server_;
  std::unique_ptr<Multi> multi_;
  RegistryOptions options_;
  std::unique_ptr<Registry> registry_;
  RecordingSink sink_;
  std::unique_ptr<cache::BlobTransfer> transfer_;
};

}  // namespace layby::upstream

#endif  // LAYBY_TESTS_UPSTREAM_REGISTRY_FIXTURE_H_
