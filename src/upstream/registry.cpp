// SPDX-License-Identifier: Apache-2.0
//
// The endpoints of OCI distribution-spec 1.1 that a pull needs. Each endpoint is a RequestSpec
// and a function that reads the answer.

#include "layby/upstream/registry.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "layby/oci/manifest.h"
#include "layby/oci/tag_list.h"
#include "upstream/blob_transfer.h"
#include "upstream/buffered_request.h"
#include "upstream/failure.h"
#include "upstream/manifest_request.h"
#include "upstream/ping.h"
#include "upstream/site.h"

namespace layby::upstream {
namespace {

// The limit of a decoded tag list. Docker Hub's longest lists have some thousand tags of some ten
// bytes each.
constexpr std::uint64_t kMaxTagsBytes = 8 << 20;
// The limit for servers that break the rules and send a body in the answer to HEAD.
constexpr std::uint64_t kMaxHeadBodyBytes = 64 << 10;

// Whether a Link header (RFC 8288) names a next page. A tag list has no other kind of link.
bool has_next_page(const http::Headers& headers) {
  const std::string links = headers.joined("link");
  return links.find("rel=\"next\"") != std::string::npos ||
         links.find("rel=next") != std::string::npos;
}

// Checks that `body` is an index (distribution-spec 1.1, "Listing Referrers"). Clients get the
// bytes unchanged, so other content must not pass for an index.
Status check_referrers(const std::string& body) {
  const auto index = oci::parse_manifest(body, oci::kOciIndex);
  if (!index.ok()) return index.error();
  if (index->media_type == oci::kOciIndex) return {};
  return Error{ErrorCode::kInvalid, "the list of referrers is no OCI index"};
}

std::string tags_query(const cache::TagPageRequest& page) {
  std::string query;
  if (page.count) query += "?n=" + std::to_string(*page.count);
  if (!page.last.empty()) {
    query += (query.empty() ? "?last=" : "&last=") + http::percent_encode(page.last);
  }
  return query;
}

// Calls `done` with the result of `read` if an answer came, or with the unchanged error.
template <typename T, typename Read>
std::function<void(Result<Answer>)> then(std::function<void(Result<T>)> done, Read read) {
  return [done = std::move(done), read = std::move(read)](Result<Answer> answer) {
    if (!answer.ok()) return done(answer.error());
    done(read(*std::move(answer)));
  };
}

}  // namespace

Registry::Registry(RegistryOptions options, Multi& multi, const Clock& clock, Counters& counters)
    : site_(std::make_unique<Site>(std::move(options), multi, clock, counters)) {}

Registry::~Registry() = default;

void Registry::greet() {
  assert(!greeting_);
  greeting_ = ping(site_->options.request_timeout, [this](const Status&) { greeting_.reset(); });
}

std::optional<policy::QuotaState> Registry::quota() const { return site_->quota; }

std::vector<std::string> Registry::boxes() const { return site_->boxes; }

Registry& Registry::on_behalf_of(cache::Askers askers) {
  next_client_ = askers ? site_->told_client(*askers) : "";
  return *this;
}

std::string Registry::next_client() { return std::exchange(next_client_, ""); }

Handle Registry::head_manifest(const std::string& repository, const oci::Reference& reference,
                               std::chrono::milliseconds deadline, Done<cache::ManifestHead> done) {
  return std::make_unique<ManifestHeadRequest>(*site_, repository, reference, next_client(),
                                               deadline, std::move(done));
}

Handle Registry::get_manifest(const std::string& repository, const oci::Reference& reference,
                              Done<cache::ManifestBody> done) {
  RequestSpec spec = manifest_spec(Method::kGet, repository, reference);
  spec.client = next_client();
  spec.deadline = site_->options.request_timeout;
  return std::make_unique<BufferedRequest>(
      *site_, std::move(spec), then(std::move(done), [&site = *site_](Answer answer) {
        return cache::ManifestBody{std::move(answer.body), manifest_media_type(answer.head.headers),
                                   read_age(site, answer.head.headers)};
      }));
}

Handle Registry::head_blob(const std::string& repository, const oci::Digest& digest,
                           Done<cache::BlobHead> done) {
  RequestSpec spec;
  spec.method = Method::kHead;
  spec.repository = repository;
  spec.path = "/blobs/" + digest.str();
  spec.content_label = "blob " + digest.str();
  spec.client = next_client();
  spec.headers = {"Accept-Encoding: identity"};
  spec.counter = &Counters::upstream_blob_heads;
  spec.max_body_bytes = kMaxHeadBodyBytes;
  spec.deadline = site_->options.request_timeout;
  return std::make_unique<BufferedRequest>(*site_, std::move(spec),
                                           then(std::move(done), [](const Answer& answer) {
                                             return cache::BlobHead{answer.head.content_length()};
                                           }));
}

std::unique_ptr<cache::BlobTransfer> Registry::get_blob(const std::string& repository,
                                                        const oci::Digest& digest,
                                                        const cache::BlobSpan& span,
                                                        cache::BlobSink& sink) {
  return std::make_unique<RegistryBlob>(*site_, repository, digest, span, sink);
}

Handle Registry::get_tags(const std::string& repository, const cache::TagPageRequest& page,
                          Done<cache::TagPage> done) {
  RequestSpec spec;
  spec.repository = repository;
  spec.path = "/tags/list" + tags_query(page);
  spec.content_label = "tag list";
  spec.client = next_client();
  spec.headers = {"Accept: application/json"};
  spec.counter = &Counters::upstream_other_gets;
  spec.gzip = true;
  spec.max_body_bytes = kMaxTagsBytes;
  spec.deadline = site_->options.request_timeout;
  const Subject subject{site_->host, "GET " + repository + " tag list"};
  return std::make_unique<BufferedRequest>(
      *site_, std::move(spec),
      then(std::move(done), [subject](const Answer& answer) -> Result<cache::TagPage> {
        auto tags = oci::parse_tag_list(answer.body);
        if (!tags.ok()) return failure(subject, ErrorCode::kCorrupt, tags.error().message);
        return cache::TagPage{*std::move(tags), has_next_page(answer.head.headers)};
      }));
}

Handle Registry::get_referrers(const std::string& repository, const oci::Digest& digest,
                               const std::string& artifact_type, Done<std::string> done) {
  RequestSpec spec;
  spec.repository = repository;
  spec.path = "/referrers/" + digest.str();
  if (!artifact_type.empty()) {
    spec.path += "?artifactType=" + http::percent_encode(artifact_type);
  }
  spec.content_label = "referrers " + digest.str();
  spec.client = next_client();
  spec.headers = {"Accept: " + std::string(oci::kOciIndex)};
  spec.counter = &Counters::upstream_other_gets;
  spec.gzip = true;
  spec.max_body_bytes = oci::kMaxManifestBytes;
  spec.deadline = site_->options.request_timeout;
  const Subject subject{site_->host, "GET " + repository + " referrers " + digest.str()};
  return std::make_unique<BufferedRequest>(
      *site_, std::move(spec),
      then(std::move(done), [subject](Answer answer) -> Result<std::string> {
        const Status is_index = check_referrers(answer.body);
        if (is_index.ok()) return std::move(answer.body);
        return failure(subject, ErrorCode::kCorrupt, is_index.error().message);
      }));
}

Handle Registry::ping(std::chrono::milliseconds deadline, std::function<void(Status)> done) {
  return std::make_unique<Ping>(*site_, deadline, std::move(done));
}

}  // namespace layby::upstream
