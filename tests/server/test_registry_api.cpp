// SPDX-License-Identifier: Apache-2.0
//
// Every route of the distribution API (OCI distribution-spec 1.1, pull) over a real
// cache with a store in memory and upstreams that the test plays. The test calls the handler
// directly; other tests cover the socket.

#include "layby/server/registry_api.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "layby/oci/manifest.h"
#include "support/fake_clock.h"
#include "support/fake_store.h"
#include "support/fake_timers.h"
#include "support/fake_upstream.h"

namespace layby::testing {
namespace {

using server::Request;
using server::Response;
using std::chrono::seconds;

// A request and its answer.
struct Exchange {
  Request request;
  Handle handle;
  std::optional<Response> response;
  int answers = 0;

  int status() const { return response ? response->status : 0; }
  std::string header(std::string_view name) const {
    return response ? response->headers.joined(name) : "";
  }
  std::string text() const {
    if (!response) return "";
    const auto* text = std::get_if<std::shared_ptr<const std::string>>(&response->body);
    return text != nullptr ? **text : "";
  }
  const server::BlobBody* blob() const {
    return response ? std::get_if<server::BlobBody>(&response->body) : nullptr;
  }
  const server::NoBody* no_body() const {
    return response ? std::get_if<server::NoBody>(&response->body) : nullptr;
  }
  // Whether the response is an error answer as the specification defines it.
  bool is_error(int status_wanted, std::string_view code) const {
    return status() == status_wanted && header("Content-Type") == "application/json" &&
           text().starts_with("{\"errors\":[{\"code\":\"" + std::string(code) +
                              "\",\"message\":\"");
  }
};

using ExchangePtr = std::unique_ptr<Exchange>;
using Fields = std::vector<http::Header>;

class RegistryApiTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::vector<cache::Origin> origins;
    auto hub = std::make_unique<FakeUpstream>();
    auto other = std::make_unique<FakeUpstream>();
    hub_ = hub.get();
    other_ = other.get();
    origins.push_back({"docker.io", {"library/*"}, std::move(hub)});
    origins.push_back({"ghcr.io", {"*"}, std::move(other)});
    cache_ = std::make_unique<cache::Cache>(cache::Rules{}, std::move(origins), store_, timers_,
                                            clock_, counters_, events_);
    api_ = std::make_unique<server::RegistryApi>(*cache_, box_);
  }

  // Asks for "/path?query".
  ExchangePtr ask(std::string_view method, const std::string& target, Fields fields = {}) {
    auto exchange = std::make_unique<Exchange>();
    const auto mark = target.find('?');
    exchange->request.method = method;
    exchange->request.client.ip = client_;
    exchange->request.path = target.substr(0, mark);
    if (mark != std::string::npos) exchange->request.query = target.substr(mark + 1);
    for (const auto& field : fields) exchange->request.headers.add(field.name, field.value);
    exchange->handle = api_->handle(exchange->request, [to = exchange.get()](Response response) {
      to->response.emplace(std::move(response));
      ++to->answers;
      to->request = {};  // The request is valid only until the answer.
    });
    return exchange;
  }
  ExchangePtr get(const std::string& target, Fields fields = {}) {
    return ask("GET", target, std::move(fields));
  }
  ExchangePtr head(const std::string& target, Fields fields = {}) {
    return ask("HEAD", target, std::move(fields));
  }

  // Pulls the stored blob as the client with the address `client`.
  void pull_blob(const std::string& client, Fields fields = {}) {
    client_ = *parse_ip_address(client);
    EXPECT_LT(get(blob_path(), std::move(fields))->status(), 300);
    client_ = {};
  }

  // Fails every upstream request with `error`, including the retries.
  void fail_all(const Exchange& exchange, const Error& error) {
    for (int i = 0; i < 50 && !exchange.response; ++i) {
      for (const auto& request : hub_->pending()) request->fail(error);
      timers_.advance(seconds(10));
    }
  }

  // Stores a tag that upstream confirmed `age` before now.
  void keep_tag(const std::string& tag, seconds age) {
    store_.add_tag({"docker.io", "library/debian", tag}, {digest_, clock_.wall_now() - age});
  }
  std::string manifest_path() const { return "/v2/library/debian/manifests/" + digest_.str(); }
  std::string blob_path() const { return "/v2/library/debian/blobs/" + blob_digest_.str(); }
  std::string etag() const { return '"' + blob_digest_.str() + '"'; }

  const std::string box_ = "layby-00000000000000aa";
  const std::string parent_ = "layby-00000000000000bb";
  const std::string child_ = "layby-00000000000000cc";
  IpAddress client_;  // The address that sends the requests.
  FakeClock clock_;
  FakeTimers timers_{clock_};
  FakeStore store_{timers_};
  Counters counters_;
  events::Events events_;
  FakeUpstream* hub_ = nullptr;
  FakeUpstream* other_ = nullptr;
  std::unique_ptr<cache::Cache> cache_;
  std::unique_ptr<server::RegistryApi> api_;
  const std::string type_{oci::kOciIndex};
  const std::string manifest_ =
      R"({"schemaVersion":2,"mediaType":")" + type_ + R"(","manifests":[]})";
  const std::string blob_ = "the bytes of a blob";
  const oci::Digest digest_ = oci::Digest::of(manifest_);
  const oci::Digest blob_digest_ = oci::Digest::of(blob_);
};

TEST_F(RegistryApiTest, AnswersThePingToAnybody) {
  for (const char* path : {"/v2/", "/v2"}) {
    const auto ping = get(path);
    EXPECT_EQ(ping->status(), 200);
    EXPECT_EQ(ping->text(), "{}");
    EXPECT_EQ(ping->header("Docker-Distribution-Api-Version"), "registry/2.0");
    EXPECT_EQ(ping->handle, nullptr);
  }
}

TEST_F(RegistryApiTest, AnswersThePingWithoutAskingUpstream) {
  get("/v2/", {{"Authorization", "Basic dXNlcjpwYXNz"}});
  EXPECT_TRUE(hub_->requests().empty());
}

TEST_F(RegistryApiTest, ServesAStoredManifestByDigest) {
  store_.add_manifest(manifest_, type_);
  const auto got = get(manifest_path());
  EXPECT_EQ(got->status(), 200);
  EXPECT_EQ(got->text(), manifest_);
  EXPECT_EQ(got->header("Content-Type"), type_);
  EXPECT_EQ(got->header("Docker-Content-Digest"), digest_.str());
  EXPECT_EQ(got->header("ETag"), '"' + digest_.str() + '"');
  EXPECT_EQ(got->header("Docker-Distribution-Api-Version"), "registry/2.0");
  EXPECT_EQ(got->answers, 1);
}

TEST_F(RegistryApiTest, FetchesAManifestByDigest) {
  const auto got = get(manifest_path());
  ASSERT_NE(got->handle, nullptr);
  hub_->only_pending()->answer_manifest(cache::ManifestBody{manifest_, type_});
  EXPECT_EQ(got->status(), 200);
  EXPECT_EQ(got->text(), manifest_);
}

TEST_F(RegistryApiTest, ResolvesATagByHead) {
  const auto got = get("/v2/library/debian/manifests/stable");
  EXPECT_EQ(hub_->only_pending()->kind, UpstreamKind::kManifestHead);
  hub_->answer_manifest_head(cache::ManifestHead{digest_, type_, manifest_.size()});
  EXPECT_EQ(hub_->only_pending()->kind, UpstreamKind::kManifestGet);
  hub_->answer_manifest(cache::ManifestBody{manifest_, type_});
  EXPECT_EQ(got->status(), 200);
  EXPECT_EQ(got->text(), manifest_);
  EXPECT_EQ(got->header("Age"), "0");
}

TEST_F(RegistryApiTest, ServesAFreshTagWithItsAge) {
  store_.add_manifest(manifest_, type_);
  keep_tag("stable", seconds(10));
  const auto got = get("/v2/library/debian/manifests/stable");
  EXPECT_EQ(got->status(), 200);
  EXPECT_EQ(got->header("Age"), "10");
  EXPECT_EQ(got->header("Warning"), "");
  EXPECT_TRUE(hub_->requests().empty());
}

TEST_F(RegistryApiTest, ServesAStaleTagWithAWarningWhenUpstreamFails) {
  store_.add_manifest(manifest_, type_);
  keep_tag("stable", seconds(1000));
  const auto got = get("/v2/library/debian/manifests/stable");
  fail_all(*got, {ErrorCode::kUnavailable, "down", {}});
  EXPECT_EQ(got->status(), 200);
  EXPECT_EQ(got->text(), manifest_);
  EXPECT_EQ(got->header("Age"), "1000");
  EXPECT_TRUE(got->header("Warning").starts_with("110 "));
}

TEST_F(RegistryApiTest, AnswersHeadOfAManifestLikeGet) {
  store_.add_manifest(manifest_, type_);
  const auto got = head(manifest_path());
  EXPECT_EQ(got->status(), 200);
  EXPECT_EQ(got->header("Content-Type"), type_);
  EXPECT_EQ(got->header("Docker-Content-Digest"), digest_.str());
  EXPECT_EQ(got->text().size(), manifest_.size()) << "the server leaves the body out";
}

TEST_F(RegistryApiTest, AnswersHeadOfATagFromUpstreamsHead) {
  const auto got = head("/v2/library/debian/manifests/stable");
  hub_->answer_manifest_head(cache::ManifestHead{digest_, type_, 1234});
  EXPECT_EQ(got->status(), 200);
  EXPECT_EQ(got->header("Docker-Content-Digest"), digest_.str());
  ASSERT_NE(got->no_body(), nullptr);
  EXPECT_EQ(got->no_body()->content_length, 1234u);
}

TEST_F(RegistryApiTest, AClientsSecondPullOfABlobHasItVerified) {
  store_.add_blob(blob_);
  pull_blob("10.0.0.7");
  pull_blob("10.0.0.8");
  EXPECT_TRUE(store_.checks().empty());
  clock_.advance(std::chrono::minutes(5));
  pull_blob("10.0.0.7");
  EXPECT_EQ(store_.checks(), std::vector{blob_digest_});
}

TEST_F(RegistryApiTest, AddressesOfOneNetworkAreOneClientToTheSecondPull) {
  store_.add_blob(blob_);
  pull_blob("2001:db8::1");
  pull_blob("2001:db8:0:1::1");
  EXPECT_TRUE(store_.checks().empty());
  pull_blob("2001:db8::2");
  EXPECT_EQ(store_.checks().size(), 1u);
}

TEST_F(RegistryApiTest, APartAndALaterPullHaveNothingVerified) {
  store_.add_blob(blob_);
  pull_blob("10.0.0.7");
  pull_blob("10.0.0.7", {{"Range", "bytes=2-5"}});
  clock_.advance(std::chrono::minutes(5) + std::chrono::milliseconds(1));
  pull_blob("10.0.0.7");
  EXPECT_TRUE(store_.checks().empty());
  pull_blob("10.0.0.7", {{"Range", "bytes=0-"}});
  EXPECT_EQ(store_.checks().size(), 1u);
}

TEST_F(RegistryApiTest, Answers304ToAManifestTheClientHas) {
  store_.add_manifest(manifest_, type_);
  const std::string tag = '"' + digest_.str() + '"';
  for (const std::string& value : {tag, "W/" + tag, "\"x\", " + tag, std::string("*")}) {
    const auto got = get(manifest_path(), {{"If-None-Match", value}});
    EXPECT_EQ(got->status(), 304) << value;
    ASSERT_NE(got->no_body(), nullptr);
    EXPECT_EQ(got->no_body()->content_length, std::nullopt);
    EXPECT_EQ(got->header("Docker-Content-Digest"), digest_.str());
    EXPECT_EQ(got->header("ETag"), tag);
  }
}

TEST_F(RegistryApiTest, ServesAManifestThatTheClientDoesNotHave) {
  store_.add_manifest(manifest_, type_);
  EXPECT_EQ(get(manifest_path(), {{"If-None-Match", "\"sha256:other\""}})->status(), 200);
}

TEST_F(RegistryApiTest, Answers404ForAMissingManifest) {
  for (const std::string& path :
       {manifest_path(), std::string("/v2/library/debian/manifests/gone")}) {
    const auto got = get(path);
    fail_all(*got, {ErrorCode::kNotFound, "no such manifest", {}});
    EXPECT_TRUE(got->is_error(404, "MANIFEST_UNKNOWN")) << got->text();
  }
}

TEST_F(RegistryApiTest, Answers400ForAManifestsMalformedDigest) {
  for (const char* reference : {"sha256:abc", "md5:d41d8cd98f00b204e9800998ecf8427e", "sha256:"}) {
    const auto got = get(std::string("/v2/library/debian/manifests/") + reference);
    EXPECT_TRUE(got->is_error(400, "DIGEST_INVALID")) << reference << ": " << got->text();
  }
}

TEST_F(RegistryApiTest, Answers400ForAMalformedTag) {
  const auto got = get("/v2/library/debian/manifests/-not-a-tag");
  EXPECT_TRUE(got->is_error(400, "MANIFEST_INVALID")) << got->text();
}

TEST_F(RegistryApiTest, ServesBySha512) {
  const auto digest = oci::Digest::of(manifest_, ShaKind::kSha512);
  const auto got = get("/v2/library/debian/manifests/" + digest.str());
  hub_->only_pending()->answer_manifest(cache::ManifestBody{manifest_, type_});
  EXPECT_EQ(got->status(), 200);
  EXPECT_EQ(got->header("Docker-Content-Digest"), digest.str());
}

TEST_F(RegistryApiTest, NeverServesAManifestWhoseDigestIsWrong) {
  const auto got = get(manifest_path());
  for (int i = 0; i < 10 && !got->response; ++i) {
    hub_->only_pending()->answer_manifest(cache::ManifestBody{"{}", type_});
    timers_.advance(seconds(10));
  }
  EXPECT_TRUE(got->is_error(503, "UNAVAILABLE")) << got->text();
}

TEST_F(RegistryApiTest, ServesAStoredBlob) {
  store_.add_blob(blob_);
  const auto got = get(blob_path());
  EXPECT_EQ(got->status(), 200);
  ASSERT_NE(got->blob(), nullptr);
  EXPECT_EQ(got->blob()->range, (http::ByteRange{0, blob_.size()}));
  EXPECT_EQ(got->header("Content-Type"), "application/octet-stream");
  EXPECT_EQ(got->header("Docker-Content-Digest"), blob_digest_.str());
  EXPECT_EQ(got->header("ETag"), etag());
  EXPECT_EQ(got->header("Accept-Ranges"), "bytes");
  EXPECT_EQ(got->header("Content-Encoding"), "");
}

TEST_F(RegistryApiTest, ServesABlobAsSoonAsItsSizeIsKnown) {
  const auto got = get(blob_path());
  timers_.run();
  hub_->only_pending()->start(0, blob_.size());
  timers_.run();
  EXPECT_EQ(got->status(), 200);
  ASSERT_NE(got->blob(), nullptr);
  EXPECT_EQ(got->blob()->reader->readable_bytes(), 0u);
}

TEST_F(RegistryApiTest, Answers206WithTheRange) {
  store_.add_blob(blob_);
  const std::string total = std::to_string(blob_.size());
  struct Case {
    std::string range;
    http::ByteRange wanted;
    std::string content_range;
  };
  for (const Case& c : {Case{"bytes=4-8", {4, 5}, "bytes 4-8/" + total},
                        Case{"bytes=4-", {4, 15}, "bytes 4-18/" + total},
                        Case{"bytes=-4", {15, 4}, "bytes 15-18/" + total},
                        Case{"bytes=0-999", {0, 19}, "bytes 0-18/" + total}}) {
    const auto got = get(blob_path(), {{"Range", c.range}});
    EXPECT_EQ(got->status(), 206) << c.range;
    ASSERT_NE(got->blob(), nullptr) << c.range;
    EXPECT_EQ(got->blob()->range, c.wanted) << c.range;
    EXPECT_EQ(got->header("Content-Range"), c.content_range);
    EXPECT_EQ(got->header("Docker-Content-Digest"), blob_digest_.str());
  }
}

TEST_F(RegistryApiTest, Answers206WhileTheBlobIsFilled) {
  const auto got = get(blob_path(), {{"Range", "bytes=10-"}});
  timers_.run();
  hub_->only_pending()->start(0, blob_.size());
  timers_.run();
  EXPECT_EQ(got->status(), 206);
  ASSERT_NE(got->blob(), nullptr);
  EXPECT_EQ(got->blob()->range, (http::ByteRange{10, 9}));
}

TEST_F(RegistryApiTest, Answers206WithSeveralRanges) {
  const std::string path =
      "/v2/library/debian/blobs/" + store_.add_blob(std::string(2000, 'a')).str();
  const auto got = get(path, {{"Range", "bytes=100-199, 0-0, -1, 2000-, 150-299"}});
  EXPECT_EQ(got->status(), 206);
  ASSERT_NE(got->blob(), nullptr);
  ASSERT_NE(got->blob()->parts, nullptr);
  EXPECT_EQ(got->blob()->parts->ranges(), (http::ByteRanges{{100, 200}, {0, 1}, {1999, 1}}));
  EXPECT_EQ(got->blob()->range, (http::ByteRange{0, 2000}));
  EXPECT_EQ(got->header("Content-Type"), got->blob()->parts->content_type());
  EXPECT_EQ(got->header("Content-Range"), "") << "only the parts have it";
  EXPECT_EQ(got->header("Accept-Ranges"), "bytes");

  const auto other = get(path, {{"Range", "bytes=0-0,9-9"}});
  EXPECT_NE(other->header("Content-Type"), got->header("Content-Type")) << "a boundary is new";
}

TEST_F(RegistryApiTest, AnswersSeveralRangesThatAreOneRangeWithoutParts) {
  store_.add_blob(blob_);
  for (const char* range : {"bytes=4-5,5-8", "bytes=4-8,19-", "bytes=,4-8,"}) {
    const auto got = get(blob_path(), {{"Range", range}});
    EXPECT_EQ(got->status(), 206) << range;
    EXPECT_EQ(got->header("Content-Range"), "bytes 4-8/19") << range;
    EXPECT_EQ(got->blob()->parts, nullptr) << range;
  }
  EXPECT_EQ(get(blob_path(), {{"Range", "bytes=19-,-0"}})->status(), 416);
}

TEST_F(RegistryApiTest, ServesTheWholeBlobIfPartsWouldTakeMoreBytes) {
  const std::string path =
      "/v2/library/debian/blobs/" + store_.add_blob(std::string(2000, 'a')).str();
  for (const char* range : {"bytes=0-999,1000-1999", "bytes=0-0,2-1990"}) {
    EXPECT_EQ(get(path, {{"Range", range}})->status(), 200) << range;
  }
  std::string many = "bytes=0-0";
  for (int i = 1; i < 100; ++i) many += "," + std::to_string(2 * i) + "-" + std::to_string(2 * i);
  EXPECT_EQ(get(path, {{"Range", many}})->status(), 200);
}

TEST_F(RegistryApiTest, AnswersSeveralRangesOfAFillOnlyIfTheyAscend) {
  const auto digest = oci::Digest::of(std::string(2000, 'b'));
  const std::string path = "/v2/library/debian/blobs/" + digest.str();
  const auto ascending = get(path, {{"Range", "bytes=0-9,500-509"}});
  const auto descending = get(path, {{"Range", "bytes=500-509,0-9"}});
  timers_.run();
  hub_->only_pending()->start(0, 2000);
  timers_.run();
  EXPECT_EQ(ascending->status(), 206);
  EXPECT_EQ(descending->status(), 200);
}

TEST_F(RegistryApiTest, Answers416OutsideTheBlob) {
  store_.add_blob(blob_);
  for (const char* range : {"bytes=19-", "bytes=100-200", "bytes=-0"}) {
    const auto got = get(blob_path(), {{"Range", range}});
    EXPECT_TRUE(got->is_error(416, "RANGE_INVALID")) << range << ": " << got->text();
    EXPECT_EQ(got->header("Content-Range"), "bytes */19") << range;
  }
}

TEST_F(RegistryApiTest, ServesTheWholeBlobForAnUnsupportedRange) {
  store_.add_blob(blob_);
  for (const char* range : {"lines=1-2", "bytes=8-4", "bytes=0-1,5-4", "bytes=x"}) {
    EXPECT_EQ(get(blob_path(), {{"Range", range}})->status(), 200) << range;
  }
}

TEST_F(RegistryApiTest, HonoursIfRange) {
  store_.add_blob(blob_);
  const auto ranged = [&](const std::string& condition) {
    return get(blob_path(), {{"Range", "bytes=1-2"}, {"If-Range", condition}})->status();
  };
  EXPECT_EQ(ranged(etag()), 206);
  EXPECT_EQ(ranged("\"sha256:other\""), 200);
  EXPECT_EQ(ranged("W/" + etag()), 200) << "weak tags do not count";
  EXPECT_EQ(ranged("Mon, 23 Nov 2026 11:00:00 GMT"), 200);
}

TEST_F(RegistryApiTest, Answers304ToABlobTheClientHas) {
  store_.add_blob(blob_);
  const auto got = get(blob_path(), {{"If-None-Match", etag()}});
  EXPECT_EQ(got->status(), 304);
  ASSERT_NE(got->no_body(), nullptr);
  EXPECT_EQ(got->no_body()->content_length, std::nullopt);
  EXPECT_EQ(got->header("ETag"), etag());
  EXPECT_TRUE(hub_->requests().empty());
}

TEST_F(RegistryApiTest, Answers304OnlyAfterUpstreamLetsTheClientHaveTheBlob) {
  const auto allowed = get(blob_path(), {{"If-None-Match", etag()}});
  ASSERT_EQ(hub_->only_pending()->kind, UpstreamKind::kBlobHead) << "no bytes are fetched";
  hub_->only_pending()->answer_blob_head(cache::BlobHead{777});
  EXPECT_EQ(allowed->status(), 304);
  const auto refused = get(blob_path(), {{"If-None-Match", etag()}});
  timers_.run();
  fail_all(*refused, {ErrorCode::kNotFound, "no such blob", {}});
  EXPECT_TRUE(refused->is_error(404, "BLOB_UNKNOWN")) << refused->text();
}

TEST_F(RegistryApiTest, AnswersHeadOfAStoredBlob) {
  store_.add_blob(blob_);
  const auto got = head(blob_path());
  EXPECT_EQ(got->status(), 200);
  ASSERT_NE(got->no_body(), nullptr);
  EXPECT_EQ(got->no_body()->content_length, blob_.size());
  EXPECT_EQ(got->header("Docker-Content-Digest"), blob_digest_.str());
  EXPECT_EQ(got->header("Accept-Ranges"), "bytes");
}

TEST_F(RegistryApiTest, AnswersHeadOfABlobWithoutFetchingIt) {
  const auto got = head(blob_path());
  ASSERT_EQ(hub_->only_pending()->kind, UpstreamKind::kBlobHead);
  hub_->only_pending()->answer_blob_head(cache::BlobHead{777});
  EXPECT_EQ(got->status(), 200);
  ASSERT_NE(got->no_body(), nullptr);
  EXPECT_EQ(got->no_body()->content_length, 777u);
}

TEST_F(RegistryApiTest, Answers304ToHeadOfABlobTheClientHas) {
  store_.add_blob(blob_);
  EXPECT_EQ(head(blob_path(), {{"If-None-Match", etag()}})->status(), 304);
}

TEST_F(RegistryApiTest, Answers404ForAMissingBlob) {
  for (const char* method : {"GET", "HEAD"}) {
    const auto got = ask(method, blob_path());
    timers_.run();
    fail_all(*got, {ErrorCode::kNotFound, "no such blob", {}});
    EXPECT_TRUE(got->is_error(404, "BLOB_UNKNOWN")) << method << ": " << got->text();
  }
}

TEST_F(RegistryApiTest, Answers400ForABlobsMalformedDigest) {
  for (const char* digest :
       {"sha256:abc", "latest", "sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709"}) {
    const auto got = get(std::string("/v2/library/debian/blobs/") + digest);
    EXPECT_TRUE(got->is_error(400, "DIGEST_INVALID")) << digest << ": " << got->text();
  }
}

TEST_F(RegistryApiTest, CancelsTheUpstreamRequestWhenTheClientLeaves) {
  const auto got = head(blob_path());
  const auto request = hub_->only_pending();
  got->handle.reset();
  EXPECT_TRUE(request->cancelled());
  EXPECT_EQ(got->answers, 0);
}

TEST_F(RegistryApiTest, ListsTagsSorted) {
  const auto got = get("/v2/library/debian/tags/list");
  hub_->only_pending()->answer_tags(cache::TagPage{{"trixie", "bookworm"}, false});
  EXPECT_EQ(got->status(), 200);
  EXPECT_EQ(got->header("Content-Type"), "application/json");
  EXPECT_EQ(got->text(), R"({"name":"library/debian","tags":["bookworm","trixie"]})");
  EXPECT_EQ(got->header("Link"), "");
}

TEST_F(RegistryApiTest, AsksForThePageTheClientWants) {
  const auto got = get("/v2/library/debian/tags/list?n=5&last=bookworm");
  EXPECT_EQ(hub_->only_pending()->page.count, 5u);
  EXPECT_EQ(hub_->only_pending()->page.last, "bookworm");
}

TEST_F(RegistryApiTest, LinksToTheNextPage) {
  const auto got = get("/v2/library/debian/tags/list?n=2");
  hub_->only_pending()->answer_tags(cache::TagPage{{"a", "b"}, true});
  EXPECT_EQ(got->header("Link"), "</v2/library/debian/tags/list?last=b&n=2>; rel=\"next\"");
}

TEST_F(RegistryApiTest, LinksToTheNextPageOfTheSameUpstream) {
  const auto got = get("/v2/acme/tool/tags/list?n=1&ns=ghcr.io");
  other_->only_pending()->answer_tags(cache::TagPage{{"a"}, true});
  EXPECT_EQ(got->header("Link"), "</v2/acme/tool/tags/list?last=a&n=1&ns=ghcr.io>; rel=\"next\"");
}

TEST_F(RegistryApiTest, LinksToTheNextPageUnderTheNameTheClientUsed) {
  const auto got = get("/v2/ghcr.io/acme/tool/tags/list?n=1");
  EXPECT_EQ(other_->only_pending()->repository, "acme/tool");
  other_->only_pending()->answer_tags(cache::TagPage{{"a"}, true});
  EXPECT_EQ(got->header("Link"), "</v2/ghcr.io/acme/tool/tags/list?last=a&n=1>; rel=\"next\"");
  EXPECT_EQ(got->text(), R"({"name":"ghcr.io/acme/tool","tags":["a"]})");
}

TEST_F(RegistryApiTest, AnswersAnEmptyListForZeroTags) {
  const auto got = get("/v2/library/debian/tags/list?n=0");
  EXPECT_EQ(got->status(), 200);
  EXPECT_EQ(got->text(), R"({"name":"library/debian","tags":[]})");
  EXPECT_EQ(got->header("Link"), "");
  EXPECT_TRUE(hub_->requests().empty());
}

TEST_F(RegistryApiTest, Answers400ForAMalformedNumberOfTags) {
  for (const char* n : {"-1", "x", "", "1.5", "99999999999999999999999"}) {
    const auto got = get(std::string("/v2/library/debian/tags/list?n=") + n);
    EXPECT_TRUE(got->is_error(400, "PAGINATION_NUMBER_INVALID")) << n << ": " << got->text();
  }
}

TEST_F(RegistryApiTest, ListsCachedTagsWhenUpstreamFails) {
  store_.add_manifest(manifest_, type_);
  for (const char* tag : {"a", "b", "c"}) keep_tag(tag, seconds(10));
  const auto got = get("/v2/library/debian/tags/list?n=1&last=a");
  hub_->fail({ErrorCode::kUnavailable, "down", {}});
  EXPECT_EQ(got->text(), R"({"name":"library/debian","tags":["b"]})");
  EXPECT_EQ(got->header("Link"), "</v2/library/debian/tags/list?last=b&n=1>; rel=\"next\"");
}

TEST_F(RegistryApiTest, Answers404ForTheTagsOfAMissingRepository) {
  const auto got = get("/v2/library/nothing/tags/list");
  hub_->fail({ErrorCode::kNotFound, "no such repository", {}});
  EXPECT_TRUE(got->is_error(404, "NAME_UNKNOWN")) << got->text();
}

TEST_F(RegistryApiTest, AnswersAnEmptyIndexWithoutReferrers) {
  const auto got = get("/v2/library/debian/referrers/" + digest_.str());
  hub_->fail({ErrorCode::kNotFound, "no such API", {}});
  EXPECT_EQ(got->status(), 200);
  EXPECT_EQ(got->header("Content-Type"), "application/vnd.oci.image.index.v1+json");
  EXPECT_EQ(got->text(),
            R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json",)"
            R"("manifests":[]})");
}

TEST_F(RegistryApiTest, ServesUpstreamsReferrers) {
  const auto got = get("/v2/library/debian/referrers/" + digest_.str() + "?artifactType=a%2Fb");
  EXPECT_EQ(hub_->only_pending()->artifact_type, "a/b");
  hub_->only_pending()->answer_referrers(std::string("{\"manifests\":[1]}"));
  EXPECT_EQ(got->text(), "{\"manifests\":[1]}");
  EXPECT_EQ(got->header("Content-Type"), "application/vnd.oci.image.index.v1+json");
}

TEST_F(RegistryApiTest, Answers400ForTheReferrersOfAMalformedDigest) {
  const auto got = get("/v2/library/debian/referrers/sha256:abc");
  EXPECT_TRUE(got->is_error(400, "DIGEST_INVALID")) << got->text();
}

TEST_F(RegistryApiTest, PutsLibraryBeforeAShortName) {
  const auto got = get("/v2/debian/manifests/stable");
  EXPECT_EQ(hub_->only_pending()->repository, "library/debian");
}

TEST_F(RegistryApiTest, LeavesShortNamesOfOtherUpstreamsAlone) {
  const auto got = get("/v2/tool/manifests/stable?ns=ghcr.io");
  EXPECT_EQ(other_->only_pending()->repository, "tool");
  EXPECT_TRUE(hub_->requests().empty());
}

TEST_F(RegistryApiTest, AsksTheUpstreamThatThePathNames) {
  const auto manifest = get("/v2/ghcr.io/acme/tool/manifests/stable");
  EXPECT_EQ(other_->only_pending()->repository, "acme/tool");
  const auto blob = head("/v2/docker.io/debian/blobs/" + blob_digest_.str());
  EXPECT_EQ(hub_->only_pending()->repository, "library/debian");
}

TEST_F(RegistryApiTest, AsksTheUpstreamThatHostNames) {
  const auto got = get("/v2/tool/manifests/stable", {{"Host", "ghcr.io"}});
  EXPECT_EQ(other_->only_pending()->repository, "tool");
}

TEST_F(RegistryApiTest, KnowsDockerHubByItsOtherNames) {
  const auto got = get("/v2/debian/manifests/stable?ns=registry-1.docker.io");
  EXPECT_EQ(hub_->only_pending()->repository, "library/debian");
}

TEST_F(RegistryApiTest, Answers404ForAnUnknownUpstream) {
  for (const std::string& path :
       {manifest_path(), blob_path(), std::string("/v2/library/debian/tags/list")}) {
    const auto got = get(path + "?ns=quay.io");
    EXPECT_TRUE(got->is_error(404, "NAME_UNKNOWN")) << got->text();
    EXPECT_NE(got->text().find("quay.io"), std::string::npos);
  }
}

TEST_F(RegistryApiTest, Answers403ForADeniedRepository) {
  const std::string digest = blob_digest_.str();
  for (const std::string& path :
       {std::string("/v2/acme/secret/manifests/latest"), "/v2/acme/secret/blobs/" + digest,
        std::string("/v2/acme/secret/tags/list"), "/v2/acme/secret/referrers/" + digest}) {
    const auto got = get(path);
    EXPECT_TRUE(got->is_error(403, "DENIED")) << path << ": " << got->text();
    EXPECT_NE(got->text().find("this mirror does not serve acme/secret of docker.io; to allow it, "
                               "add \\\"acme/secret\\\" to \\\"allow\\\" of the upstream "
                               "\\\"docker.io\\\" in layby's configuration"),
              std::string::npos)
        << got->text();
  }
  EXPECT_TRUE(hub_->requests().empty());
}

TEST_F(RegistryApiTest, Answers403ForAStoredBlobOfADeniedRepository) {
  store_.add_blob(blob_);
  EXPECT_EQ(get("/v2/acme/secret/blobs/" + blob_digest_.str())->status(), 403);
  EXPECT_EQ(
      get("/v2/acme/secret/blobs/" + blob_digest_.str(), {{"If-None-Match", etag()}})->status(),
      403);
}

TEST_F(RegistryApiTest, Answers400ForABrokenEscapeInTheQuery) {
  for (const char* query : {"ns=%zz", "ns=ghcr.io%00", "ns=ghcr.io%", "n=%", "last=%4", "%=a"}) {
    const auto got = get("/v2/library/debian/tags/list?" + std::string(query));
    EXPECT_TRUE(got->is_error(400, "NAME_INVALID")) << query << ": " << got->text();
  }
  EXPECT_TRUE(hub_->requests().empty());
}

TEST_F(RegistryApiTest, Answers400ForAMalformedName) {
  for (const char* name : {"Library/Debian", "library//debian", "library/%2e%2e", "-x", "a/../b"}) {
    const auto got = get(std::string("/v2/") + name + "/manifests/stable");
    EXPECT_TRUE(got->is_error(400, "NAME_INVALID")) << name << ": " << got->text();
  }
}

TEST_F(RegistryApiTest, Answers404ForAnUnknownEndpoint) {
  for (const char* path : {"/v2/library/debian", "/v2/_catalog", "/v2/library/debian/nothing/x"}) {
    const auto got = get(path);
    EXPECT_EQ(got->status(), 404) << path;
    EXPECT_TRUE(got->text().starts_with("{\"errors\":[")) << path;
  }
}

TEST_F(RegistryApiTest, Answers405ToPushesAndDeletes) {
  for (const char* method : {"PUT", "POST", "PATCH", "DELETE"}) {
    for (const std::string& path :
         {manifest_path(), blob_path(), std::string("/v2/library/debian/blobs/uploads/"),
          std::string("/v2/library/debian/blobs/uploads/1234"), std::string("/v2/")}) {
      const auto got = ask(method, path);
      EXPECT_TRUE(got->is_error(405, "UNSUPPORTED")) << method << " " << path;
      EXPECT_EQ(got->header("Allow"), "GET, HEAD");
    }
  }
  EXPECT_TRUE(hub_->requests().empty());
}

TEST_F(RegistryApiTest, Answers405ToGetOfAnUpload) {
  EXPECT_TRUE(get("/v2/library/debian/blobs/uploads/1234")->is_error(405, "UNSUPPORTED"));
}

struct Failure {
  ErrorCode code;
  int status;
};

class RegistryApiFailureTest : public RegistryApiTest,
                               public ::testing::WithParamInterface<Failure> {
 protected:
  // A request of each kind that asks upstream.
  std::vector<std::pair<std::string, std::string>> requests() const {
    return {{"GET", manifest_path()},
            {"HEAD", manifest_path()},
            {"GET", "/v2/library/debian/manifests/stable"},
            {"HEAD", "/v2/library/debian/manifests/stable"},
            {"GET", blob_path()},
            {"HEAD", blob_path()},
            {"GET", "/v2/library/debian/tags/list"},
            {"GET", "/v2/library/debian/referrers/" + digest_.str()}};
  }
};

TEST_P(RegistryApiFailureTest, KeepsItsStatusAndIsNever401Or429) {
  const Failure failure = GetParam();
  for (const auto& [method, path] : requests()) {
    const auto got = ask(method, path);
    timers_.run();
    fail_all(*got, {failure.code, "upstream says \"no\"", {}});
    const bool none = failure.code == ErrorCode::kNotFound && path.find("referrers") != path.npos;
    EXPECT_EQ(got->status(), none ? 200 : failure.status) << method << " " << path;
    EXPECT_EQ(got->header("WWW-Authenticate"), "");
    EXPECT_EQ(got->answers, 1);
    EXPECT_TRUE(none || got->text().find("upstream says \\\"no\\\"") != std::string::npos)
        << got->text();
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, RegistryApiFailureTest,
    ::testing::Values(Failure{ErrorCode::kNotFound, 404}, Failure{ErrorCode::kDenied, 403},
                      Failure{ErrorCode::kThrottled, 503}, Failure{ErrorCode::kUnavailable, 503},
                      Failure{ErrorCode::kTimedOut, 503}, Failure{ErrorCode::kCorrupt, 503},
                      Failure{ErrorCode::kInvalid, 503}, Failure{ErrorCode::kNoSpace, 503},
                      Failure{ErrorCode::kIo, 503}),
    [](const auto& tested) { return std::string(to_string(tested.param.code)); });

TEST_F(RegistryApiTest, PassesOnRetryAfter) {
  const auto got = get("/v2/library/debian/tags/list");
  hub_->fail({ErrorCode::kThrottled, "too many", seconds(90)});
  EXPECT_EQ(got->status(), 503);
  EXPECT_EQ(got->header("Retry-After"), "90");
}

TEST_F(RegistryApiTest, AnswerToAnotherBoxNamesTheBoxesOnItsWay) {
  hub_->set_boxes({parent_, box_});
  store_.add_manifest(manifest_, type_);
  EXPECT_EQ(get(manifest_path())->header("Via"), "") << "other clients have no use for it";
  const auto got = get(manifest_path() + "?ns=docker.io", {{"CDN-Loop", child_}});
  EXPECT_EQ(got->status(), 200);
  EXPECT_EQ(got->header("Via"), "1.1 " + box_ + ", 1.1 " + parent_);
  EXPECT_EQ(get("/v2/?ns=docker.io", {{"CDN-Loop", child_}})->header("Via"), got->header("Via"));
  EXPECT_EQ(get("/v2/?ns=ghcr.io", {{"CDN-Loop", child_}})->header("Via"), "1.1 " + box_);
}

TEST_F(RegistryApiTest, BoxThatAsksItselfIsRefused) {
  for (const char* path : {"/v2/", "/v2/library/debian/manifests/bookworm"}) {
    const auto got = get(path, {{"CDN-Loop", "other, " + box_}});
    EXPECT_TRUE(got->is_error(508, "UNAVAILABLE")) << got->text();
    EXPECT_NE(got->text().find("upstreams[].parent or upstreams[].url of this box"),
              std::string::npos);
  }
  EXPECT_TRUE(hub_->requests().empty());
}

TEST_F(RegistryApiTest, RequestOfAParentIsRefused) {
  hub_->set_boxes({parent_});
  const auto got =
      get("/v2/library/debian/manifests/bookworm?ns=docker.io", {{"CDN-Loop", parent_}});
  EXPECT_TRUE(got->is_error(508, "UNAVAILABLE")) << got->text();
  EXPECT_NE(got->text().find("upstreams[].parent of the other box"), std::string::npos);
  EXPECT_EQ(got->header("Via"), "1.1 " + box_ + ", 1.1 " + parent_);
  EXPECT_TRUE(hub_->requests().empty());
  const auto other = get("/v2/a/b/manifests/bookworm?ns=ghcr.io", {{"CDN-Loop", parent_}});
  EXPECT_FALSE(other->response) << "the parent of one upstream may be the child of another";
}

}  // namespace
}  // namespace layby::testing
