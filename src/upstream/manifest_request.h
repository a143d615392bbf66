// SPDX-License-Identifier: Apache-2.0
//
// The requests for manifests. If a registry answers 405 or 501 to a HEAD (RFC 9110, sections 15.5.6
// and 15.6.2), the registry doesn't support HEAD, and a GET follows. The Site remembers the lack of
// HEAD for a day only, because the refusal may have come from a proxy or a captive portal, and a
// GET counts against the pull limit. Loop thread only.

#ifndef LAYBY_UPSTREAM_MANIFEST_REQUEST_H_
#define LAYBY_UPSTREAM_MANIFEST_REQUEST_H_

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "layby/base/async.h"
#include "layby/base/clock.h"
#include "layby/cache/upstream.h"
#include "layby/oci/reference.h"
#include "upstream/buffered_request.h"

namespace layby::upstream {

RequestSpec manifest_spec(Method method, const std::string& repository,
                          const oci::Reference& reference);

// The Content-Type without its parameters; "" if it is no media type of a manifest or an index. A
// client gets no other media types from Layby, so no browser shows a manifest as a page.
std::string manifest_media_type(const http::Headers& headers);

// The age of a parent's answer about a tag (RFC 9111 section 5.1). Only a parent's age counts: a
// registry's CDN may send an Age too, which says nothing about the tag.
cache::AnswerAge read_age(const Site& site, const http::Headers& headers);

class ManifestHeadRequest final : public Operation {
 public:
  using Done = std::function<void(Result<cache::ManifestHead>)>;

  // `client` is the client that a parent is told. `deadline` covers the HEAD and the GET together.
  // `done` may destroy the request.
  ManifestHeadRequest(Site& site, std::string repository, oci::Reference reference,
                      std::string client, std::chrono::milliseconds deadline, Done done);

 private:
  void ask(Method method, std::chrono::milliseconds deadline);
  void on_head(Result<Answer> answer);
  void on_get(Result<Answer> answer);
  std::chrono::milliseconds left() const;

  Site& site_;
  const std::string repository_;
  const oci::Reference reference_;
  const std::string client_;
  const std::chrono::milliseconds deadline_;
  const SteadyTime started_at_;
  Done done_;
  std::optional<BufferedRequest> request_;
};

}  // namespace layby::upstream

#endif  // LAYBY_UPSTREAM_MANIFEST_REQUEST_H_
