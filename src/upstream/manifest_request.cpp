// SPDX-License-Identifier: Apache-2.0
//
// Reads the head of a manifest from the answer to a HEAD or a GET.

#include "upstream/manifest_request.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "layby/base/number.h"
#include "layby/http/headers.h"
#include "layby/http/url.h"
#include "layby/oci/digest.h"
#include "layby/oci/manifest.h"

namespace layby::upstream {
namespace {

constexpr std::chrono::hours kRemembersRefusedHeads{24};
// The largest Age (RFC 9111 section 1.2.2). An Age that isn't a number counts as the largest.
constexpr std::uint64_t kMaxAgeSeconds = std::uint64_t{1} << 31;

std::optional<oci::Digest> stated_digest(const Head& head) {
  const auto digest = head.headers.get("docker-content-digest");
  return digest ? oci::Digest::parse(*digest) : std::nullopt;
}

bool is_unsupported(int status) { return status == 405 || status == 501; }

}  // namespace

RequestSpec manifest_spec(Method method, const std::string& repository,
                          const oci::Reference& reference) {
  const std::string name = oci::to_string(reference);
  RequestSpec spec;
  spec.method = method;
  spec.repository = repository;
  spec.path = "/manifests/" + http::percent_encode(name, ":");
  spec.content_label = "manifest " + name;
  spec.headers = {"Accept: " + oci::accept_all_manifests(), "Accept-Encoding: identity"};
  spec.counter = method == Method::kHead ? &Counters::upstream_manifest_heads
                                         : &Counters::upstream_manifest_gets;
  spec.states_quota = true;
  spec.max_body_bytes = oci::kMaxManifestBytes;
  return spec;
}

std::string manifest_media_type(const http::Headers& headers) {
  const std::string_view value = headers.get("content-type").value_or("");
  const std::string_view media_type = http::trim(value.substr(0, value.find(';')));
  return oci::is_manifest_type(media_type) ? std::string(media_type) : "";
}

cache::AnswerAge read_age(const Site& site, const http::Headers& headers) {
  cache::AnswerAge age;
  if (!site.options.is_parent()) return age;
  const auto seconds = parse_number(headers.get("age").value_or("0"));
  age.age = std::chrono::seconds(std::min(seconds.value_or(kMaxAgeSeconds), kMaxAgeSeconds));
  age.stale = headers.get("warning").value_or("").starts_with("110");
  return age;
}

ManifestHeadRequest::ManifestHeadRequest(Site& site, std::string repository,
                                         oci::Reference reference, std::string client,
                                         std::chrono::milliseconds deadline, Done done)
    : site_(site),
      repository_(std::move(repository)),
      reference_(std::move(reference)),
      client_(std::move(client)),
      deadline_(deadline),
      started_at_(site.clock.steady_now()),
      done_(std::move(done)) {
  const bool refused = site.heads_refused_until && started_at_ < *site.heads_refused_until;
  ask(refused ? Method::kGet : Method::kHead, deadline);
}

void ManifestHeadRequest::ask(Method method, std::chrono::milliseconds deadline) {
  RequestSpec spec = manifest_spec(method, repository_, reference_);
  spec.client = client_;
  spec.deadline = deadline;
  spec.passes_unsupported = method == Method::kHead;
  request_.emplace(site_, std::move(spec), [this, method](Result<Answer> answer) {
    method == Method::kHead ? on_head(std::move(answer)) : on_get(std::move(answer));
  });
}

std::chrono::milliseconds ManifestHeadRequest::left() const {
  const auto passed =
      std::chrono::duration_cast<std::chrono::milliseconds>(site_.clock.steady_now() - started_at_);
  return std::max(deadline_ - passed, std::chrono::milliseconds(1));
}

void ManifestHeadRequest::on_head(Result<Answer> answer) {
  assert(done_);
  if (answer.ok() && is_unsupported(answer->head.status)) return ask(Method::kGet, left());
  const auto done = std::move(done_);
  if (!answer.ok()) return done(answer.error());
  const Head& head = answer->head;
  done(cache::ManifestHead{stated_digest(head), manifest_media_type(head.headers),
                           head.content_length(), read_age(site_, head.headers)});
}

void ManifestHeadRequest::on_get(Result<Answer> answer) {
  assert(done_);
  const auto done = std::move(done_);
  if (!answer.ok()) return done(answer.error());
  // The GET succeeded, so the registry itself has refused the HEAD.
  if (!site_.heads_refused_until || started_at_ >= *site_.heads_refused_until) {
    site_.heads_refused_until = site_.clock.steady_now() + kRemembersRefusedHeads;
  }
  const auto digest = stated_digest(answer->head);
  done(cache::ManifestHead{digest ? digest : oci::Digest::of(answer->body),
                           manifest_media_type(answer->head.headers), answer->body.size(),
                           read_age(site_, answer->head.headers)});
}

}  // namespace layby::upstream
