// SPDX-License-Identifier: Apache-2.0
//
// Manifests, blob sizes, tag lists and referrers: the requests that are sent, how answers are
// read, and the limits on answers.

#include <atomic>

#include "layby/oci/manifest.h"
#include "upstream/gzip.h"
#include "upstream/registry_fixture.h"

namespace layby::upstream {
namespace {

class SmallRequestsTest : public RegistryTest {};

TEST_F(SmallRequestsTest, AsksForAManifestAsDockerHubWantsIt) {
  serve_reply(200, {{"Content-Type", std::string(oci::kOciIndex)}}, "{\"a\":1}");
  const auto manifest = get_manifest();
  ASSERT_TRUE(manifest.ok());
  EXPECT_EQ(manifest->bytes, "{\"a\":1}");
  EXPECT_EQ(manifest->media_type, oci::kOciIndex);
  const SeenRequest asked = server_->requests().at(0);
  EXPECT_TRUE(asked.is("GET", kManifestTarget)) << asked.method << asked.target;
  EXPECT_EQ(asked.headers.count("accept"), 1u);
  EXPECT_EQ(asked.header("accept"), oci::accept_all_manifests());
  EXPECT_EQ(asked.header("accept-encoding"), "identity");
  EXPECT_EQ(asked.header("user-agent"), "layby/test");
  EXPECT_EQ(asked.header("host"), server_->address());
}

TEST_F(SmallRequestsTest, ReadsAManifestHead) {
  serve([this](const SeenRequest&, Peer& peer) {
    peer.head(200,
              {{"Content-Type", "application/vnd.oci.image.index.v1+json; charset=utf-8"},
               {"Docker-Content-Digest", digest_.str()}},
              1234);
  });
  const auto head = head_manifest();
  ASSERT_TRUE(head.ok());
  EXPECT_EQ(head->digest, digest_);
  EXPECT_EQ(head->media_type, oci::kOciIndex);
  EXPECT_EQ(head->size_bytes, 1234u);
  EXPECT_TRUE(server_->requests().at(0).is("HEAD", kManifestTarget));
  EXPECT_EQ(counters_.upstream_manifest_heads, 1u);
}

TEST_F(SmallRequestsTest, HasNoSizeWhereAHeadStatesNone) {
  serve([](const SeenRequest&, Peer& peer) { peer.bare_head(200, {}); });
  const auto head = head_manifest();
  ASSERT_TRUE(head.ok());
  EXPECT_EQ(head->size_bytes, std::nullopt);
  EXPECT_EQ(head->digest, std::nullopt);
}

TEST_F(SmallRequestsTest, IgnoresAMalformedDigest) {
  for (const char* digest : {"", "sha256:abc", "md5:1234", "nonsense"}) {
    serve_reply(200, {{"Docker-Content-Digest", digest}});
    const auto head = head_manifest();
    ASSERT_TRUE(head.ok());
    EXPECT_EQ(head->digest, std::nullopt) << digest;
  }
}

TEST_F(SmallRequestsTest, KeepsThePathOfTheRegistrysUrl) {
  serve_reply(200, {}, "{}");
  connect(server_->url() + "/mirror/");
  ASSERT_TRUE(get_manifest().ok());
  EXPECT_EQ(server_->requests().at(0).target, "/mirror" + kManifestTarget);
}

TEST_F(SmallRequestsTest, SendsTheNsToAParentWithEachRequest) {
  options_.ns = "registry.example:5000";
  serve_reply(200, {}, R"({"schemaVersion":2,"manifests":[],"tags":[]})");
  const std::string ns = "ns=registry.example%3A5000";
  const std::string repository = "/v2/library/debian";
  const auto last_target = [this] { return server_->requests().back().target; };

  ASSERT_TRUE(head_manifest().ok());
  EXPECT_EQ(last_target(), kManifestTarget + "?" + ns);
  ASSERT_TRUE(get_manifest().ok());
  EXPECT_EQ(last_target(), kManifestTarget + "?" + ns);
  ASSERT_TRUE(head_blob().ok());
  EXPECT_EQ(last_target(), blob_target() + "?" + ns);
  ASSERT_TRUE(get_blob().ok());
  EXPECT_EQ(last_target(), blob_target() + "?" + ns);
  ASSERT_TRUE(get_tags().ok());
  EXPECT_EQ(last_target(), repository + "/tags/list?" + ns);
  ASSERT_TRUE(get_tags({5, "a"}).ok());
  EXPECT_EQ(last_target(), repository + "/tags/list?n=5&last=a&" + ns);
  ASSERT_TRUE(get_referrers().ok());
  EXPECT_EQ(last_target(), repository + "/referrers/" + digest_.str() + "?" + ns);
  ASSERT_TRUE(get_referrers("a/b").ok());
  EXPECT_EQ(last_target(),
            repository + "/referrers/" + digest_.str() + "?artifactType=a%2Fb&" + ns);
  std::optional<Status> pinged;
  const auto ping = registry_->ping(10s, [&](Status status) { pinged = std::move(status); });
  ASSERT_TRUE(turn([&] { return pinged.has_value(); }));
  EXPECT_TRUE(pinged->ok()) << message(*pinged);
  EXPECT_EQ(last_target(), "/v2/?" + ns);
}

TEST_F(SmallRequestsTest, ReusesAConnection) {
  serve_reply(200, {}, "{}");
  ASSERT_TRUE(get_manifest().ok());
  ASSERT_TRUE(head_manifest().ok());
  ASSERT_TRUE(get_manifest().ok());
  EXPECT_EQ(server_->accepted(), 1);
}

TEST_F(SmallRequestsTest, KeepsTheConnectionOfARefusal) {
  serve_reply(404, {{"Content-Type", "application/json"}}, R"({"errors":[]})");
  ASSERT_FALSE(get_manifest().ok());
  ASSERT_FALSE(get_manifest().ok());
  EXPECT_EQ(server_->accepted(), 1);
}

TEST_F(SmallRequestsTest, TakesAManifestOfTheLargestSize) {
  serve_reply(200, {}, std::string(oci::kMaxManifestBytes, 'x'));
  const auto manifest = get_manifest();
  ASSERT_TRUE(manifest.ok());
  EXPECT_EQ(manifest->bytes.size(), oci::kMaxManifestBytes);
}

TEST_F(SmallRequestsTest, RefusesALargerManifest) {
  serve_reply(200, {}, std::string(oci::kMaxManifestBytes + 1, 'x'));
  const auto manifest = get_manifest();
  ASSERT_FALSE(manifest.ok());
  EXPECT_EQ(manifest.error().code, ErrorCode::kInvalid);
  EXPECT_NE(manifest.error().message.find("too large"), std::string::npos);
}

TEST_F(SmallRequestsTest, RefusesAnEndlessHeader) {
  serve([](const SeenRequest&, Peer& peer) {
    peer.raw("HTTP/1.1 200 OK\r\n");
    while (peer.raw("X-Filler: " + std::string(1000, 'x') + "\r\n")) {
    }
  });
  const auto manifest = get_manifest();
  ASSERT_FALSE(manifest.ok());
  EXPECT_EQ(manifest.error().code, ErrorCode::kInvalid);
}

TEST_F(SmallRequestsTest, RefusesAPartThatWasNotAskedFor) {
  serve_reply(206, {{"Content-Range", "bytes 0-1/9"}}, "{}");
  const auto manifest = get_manifest();
  ASSERT_FALSE(manifest.ok());
  EXPECT_EQ(manifest.error().code, ErrorCode::kCorrupt);
}

TEST_F(SmallRequestsTest, TakesAChunkedManifest) {
  serve_raw(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n");
  const auto manifest = get_manifest();
  ASSERT_TRUE(manifest.ok());
  EXPECT_EQ(manifest->bytes, "{\"a\":1}");
}

TEST_F(SmallRequestsTest, ReadsTheSizeOfABlob) {
  serve([](const SeenRequest&, Peer& peer) { peer.head(200, {}, 9'000'000'000); });
  const auto head = head_blob();
  ASSERT_TRUE(head.ok());
  EXPECT_EQ(head->size_bytes, 9'000'000'000u);
  EXPECT_TRUE(server_->requests().at(0).is("HEAD", blob_target()));
  EXPECT_EQ(counters_.upstream_blob_heads, 1u);
}

TEST_F(SmallRequestsTest, ReadsATagPage) {
  serve_reply(200, {{"Link", "</v2/library/debian/tags/list?n=2&last=b>; rel=\"next\""}},
              R"({"name":"library/debian","tags":["a","b"]})");
  const auto page = get_tags({2, "0 &"});
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(page->tags, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(page->more);
  EXPECT_EQ(server_->requests().at(0).target, "/v2/library/debian/tags/list?n=2&last=0%20%26");
  EXPECT_EQ(counters_.upstream_other_gets, 1u);
}

TEST_F(SmallRequestsTest, ReadsTheLastTagPage) {
  serve_reply(200, {}, R"({"tags":["a"]})");
  const auto page = get_tags();
  ASSERT_TRUE(page.ok());
  EXPECT_FALSE(page->more);
  EXPECT_EQ(server_->requests().at(0).target, "/v2/library/debian/tags/list");
}

TEST_F(SmallRequestsTest, RefusesAnAnswerThatIsNoTagList) {
  serve_reply(200, {}, "<html>log in</html>");
  const auto page = get_tags();
  ASSERT_FALSE(page.ok());
  EXPECT_EQ(page.error().code, ErrorCode::kCorrupt);
  EXPECT_NE(page.error().message.find("GET library/debian tag list"), std::string::npos);
}

TEST_F(SmallRequestsTest, ReadsAGzippedTagList) {
  serve_reply(200, {{"Content-Encoding", "gzip"}}, testing::gzip(R"({"tags":["zipped"]})"));
  const auto page = get_tags();
  ASSERT_TRUE(page.ok()) << page.error().message;
  EXPECT_EQ(page->tags, std::vector<std::string>{"zipped"});
  EXPECT_EQ(server_->requests().at(0).header("accept-encoding"), "gzip");
}

TEST_F(SmallRequestsTest, StopsAGzipBombByItsDecodedSize) {
  const std::string bomb = testing::gzip_bomb(64 << 20);
  ASSERT_LT(bomb.size(), 1'000'000u);
  serve_reply(200, {{"Content-Encoding", "gzip"}}, bomb);
  const auto page = get_tags();
  ASSERT_FALSE(page.ok());
  EXPECT_EQ(page.error().code, ErrorCode::kInvalid);
  EXPECT_LT(counters_.upstream_bytes, 9u << 20);
}

TEST_F(SmallRequestsTest, RefusesBrokenGzip) {
  serve_reply(200, {{"Content-Encoding", "gzip"}}, "not gzip at all");
  const auto page = get_tags();
  ASSERT_FALSE(page.ok());
  EXPECT_EQ(page.error().code, ErrorCode::kCorrupt);
}

TEST_F(SmallRequestsTest, TellsNoMediaTypeButThoseOfManifests) {
  for (const char* type : {"text/html", "text/html; charset=utf-8", "application/json", "",
                           "application/vnd.oci.image.index.v1+json.html"}) {
    serve_reply(200, {{"Content-Type", type}}, "<script>");
    const auto manifest = get_manifest();
    ASSERT_TRUE(manifest.ok()) << type;
    EXPECT_EQ(manifest->media_type, "") << type;
    const auto head = head_manifest();
    ASSERT_TRUE(head.ok()) << type;
    EXPECT_EQ(head->media_type, "") << type;
  }
}

TEST_F(SmallRequestsTest, PassesReferrersOnUnchanged) {
  const std::string index =
      R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]})";
  serve_reply(200, {}, index);
  const auto referrers = get_referrers("application/vnd.example+json");
  ASSERT_TRUE(referrers.ok());
  EXPECT_EQ(*referrers, index);
  EXPECT_EQ(server_->requests().at(0).target, "/v2/library/debian/referrers/" + digest_.str() +
                                                  "?artifactType=application%2Fvnd.example%2Bjson");
}

TEST_F(SmallRequestsTest, TakesOnlyAnIndexForReferrers) {
  for (const char* body : {"", "<html>", "{}", R"({"manifests":[]})", R"({"schemaVersion":2})",
                           R"({"schemaVersion":2,"manifests":[{"digest":"x"}]})",
                           R"({"schemaVersion":2,"manifests":[],"layers":[1]})",
                           R"({"schemaVersion":2,"mediaType":"text/html","manifests":[]})",
                           R"({"schemaVersion":2,"manifests":[],
            "mediaType":"application/vnd.docker.distribution.manifest.list.v2+json"})"}) {
    serve_reply(200, {{"Content-Type", std::string(oci::kOciIndex)}}, body);
    const auto referrers = get_referrers();
    ASSERT_FALSE(referrers.ok()) << body;
    EXPECT_EQ(referrers.error().code, ErrorCode::kCorrupt) << body;
  }
}

TEST_F(SmallRequestsTest, TakesNoReferrersAboveTheLimit) {
  serve_reply(200, {},
              R"({"schemaVersion":2,"manifests":[],"x":")" +
                  std::string(oci::kMaxManifestBytes, 'x') + "\"}");
  const auto referrers = get_referrers();
  ASSERT_FALSE(referrers.ok());
  EXPECT_EQ(referrers.error().code, ErrorCode::kInvalid) << referrers.error().message;
}

TEST_F(SmallRequestsTest, RemembersThePullLimit) {
  serve_reply(200, {{"ratelimit-limit", "100;w=21600"},
                    {"ratelimit-remaining", "76;w=21600"},
                    {"docker-ratelimit-source", "192.0.2.1"}});
  EXPECT_FALSE(registry_->quota().has_value());
  ASSERT_TRUE(head_manifest().ok());
  const auto quota = registry_->quota();
  ASSERT_TRUE(quota.has_value());
  EXPECT_EQ(quota->limit, (policy::QuotaValue{100, 21600s}));
  EXPECT_EQ(quota->remaining, (policy::QuotaValue{76, 21600s}));
  EXPECT_EQ(quota->source, "192.0.2.1");
  EXPECT_EQ(quota->seen_at, clock_.wall_now());
}

TEST_F(SmallRequestsTest, ForgetsThePullLimitWhenAnAnswerStatesNone) {
  std::atomic<bool> limited{true};
  serve([&](const SeenRequest&, Peer& peer) {
    Peer::Fields fields;
    if (limited) fields = {{"ratelimit-limit", "100"}, {"ratelimit-remaining", "3"}};
    peer.reply(200, fields);
  });
  ASSERT_TRUE(head_manifest().ok());
  ASSERT_TRUE(registry_->quota().has_value());
  limited = false;
  ASSERT_TRUE(head_manifest().ok());
  EXPECT_FALSE(registry_->quota().has_value());
}

TEST_F(SmallRequestsTest, KeepsThePullLimitAfterAFailure) {
  std::atomic<bool> up{true};
  serve([&](const SeenRequest&, Peer& peer) {
    if (!up) return peer.reply(502);
    peer.reply(200, {{"ratelimit-limit", "100"}, {"ratelimit-remaining", "3"}});
  });
  ASSERT_TRUE(head_manifest().ok());
  up = false;
  ASSERT_FALSE(head_manifest().ok());
  EXPECT_TRUE(registry_->quota().has_value());
}

TEST_F(SmallRequestsTest, AnOvertakenAnswerGivesNoPullBack) {
  std::atomic<bool> pulled{false};
  serve([&](const SeenRequest& request, Peer& peer) {
    const bool is_check = request.method == "HEAD";
    if (is_check) pulled.wait(false);
    peer.reply(200, {{"ratelimit-limit", "100"}, {"ratelimit-remaining", is_check ? "4" : "3"}});
  });
  bool checked = false;
  const auto check = registry_->head_manifest(
      kRepository, kTag, 10s, [&](const Result<cache::ManifestHead>&) { checked = true; });
  ASSERT_TRUE(turn([&] { return server_->requests().size() == 1; }));
  ASSERT_TRUE(get_manifest().ok());
  ASSERT_EQ(registry_->quota()->remaining.count, 3u);
  pulled = true;
  pulled.notify_all();
  ASSERT_TRUE(turn([&] { return checked; }));
  EXPECT_EQ(registry_->quota()->remaining.count, 3u);

  ASSERT_TRUE(head_manifest().ok());  // Sent after the last answer, so the limit may have risen.
  EXPECT_EQ(registry_->quota()->remaining.count, 4u);
}

TEST_F(SmallRequestsTest, CountsTheBytesOfBodies) {
  serve_reply(200, {}, std::string(1000, 'x'));
  ASSERT_TRUE(get_manifest().ok());
  EXPECT_EQ(counters_.upstream_bytes, 1000u);
  EXPECT_EQ(counters_.upstream_failures, 0u);
}

TEST_F(SmallRequestsTest, OnlyAParentsAgeCounts) {
  for (const bool is_parent : {false, true}) {
    options_.ns = is_parent ? "docker.io" : "";
    serve_reply(200, {{"Age", "45"}, {"Warning", "110 layby \"Response is Stale\""}}, "{}");
    const auto head = head_manifest();
    const auto body = get_manifest();
    ASSERT_TRUE(head.ok() && body.ok());
    for (const cache::AnswerAge& age : {head->age, body->age}) {
      EXPECT_EQ(age.age, is_parent ? 45s : 0s);
      EXPECT_EQ(age.stale, is_parent);
    }
  }
}

TEST_F(SmallRequestsTest, AgeThatIsNoNumberCountsAsTheLongest) {
  options_.ns = "docker.io";
  for (const char* age : {"young", "-1", "99999999999999999999", "2147483649"}) {
    serve_reply(200, {{"Age", age}});
    const auto head = head_manifest();
    ASSERT_TRUE(head.ok());
    EXPECT_EQ(head->age.age.count(), 1LL << 31) << age;
  }
}

TEST_F(SmallRequestsTest, NamesThisBoxInEachRequestAndLearnsTheParentsBoxes) {
  options_.ns = "docker.io";
  options_.box = "layby-0000000000000001";
  const std::string parent = "layby-0000000000000002";
  serve_reply(200, {{"Via", "1.1 " + parent + ", 1.1 varnish"}}, "{}");
  EXPECT_TRUE(registry_->boxes().empty());
  ASSERT_TRUE(get_manifest().ok());
  EXPECT_EQ(server_->requests().back().header("cdn-loop"), options_.box);
  EXPECT_EQ(registry_->boxes(), std::vector<std::string>{parent});
  std::optional<Status> pinged;
  const auto ping = registry_->ping(10s, [&](Status status) { pinged = std::move(status); });
  ASSERT_TRUE(turn([&] { return pinged.has_value(); }));
  EXPECT_EQ(server_->requests().back().header("cdn-loop"), options_.box);
}

TEST_F(SmallRequestsTest, LearnsAParentsBoxesFromARefusedPing) {
  options_.ns = "docker.io";
  serve_reply(508, {{"Via", "1.1 layby-0000000000000002"}});
  std::optional<Status> pinged;
  const auto ping = registry_->ping(10s, [&](Status status) { pinged = std::move(status); });
  ASSERT_TRUE(turn([&] { return pinged.has_value(); }));
  ASSERT_FALSE(pinged->ok());
  EXPECT_NE(message(*pinged).find("of this box, or upstreams[].parent of"), std::string::npos)
      << message(*pinged);
  EXPECT_EQ(registry_->boxes().size(), 1u);
}

TEST_F(SmallRequestsTest, Only503OfAParentIsDeclined) {
  const Peer::Fields of_layby{{"Docker-Distribution-Api-Version", "registry/2.0"}};
  const auto declined = [&](const char* ns, int status, const Peer::Fields& fields) {
    options_.ns = ns;
    serve_reply(status, fields);
    const auto answer = get_manifest();
    return !answer.ok() && answer.error().declined;
  };
  EXPECT_TRUE(declined("docker.io", 503, of_layby));
  EXPECT_FALSE(declined("docker.io", 503, {})) << "a proxy before a parent that is away";
  EXPECT_FALSE(declined("docker.io", 502, of_layby));
  EXPECT_FALSE(declined("", 503, of_layby)) << "a registry may be back in a moment";
}

}  // namespace
}  // namespace layby::upstream
