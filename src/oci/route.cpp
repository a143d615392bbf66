// SPDX-License-Identifier: Apache-2.0
//
// Paths under /v2/ are split from the right, since a repository may have parts called "manifests"
// or "blobs". Escapes are decoded first, and every part is then checked against its grammar, so
// "%2e%2e" and "%2F" are the same as ".." and "/".

#include "layby/oci/route.h"

#include <cassert>
#include <cstddef>
#include <cstring>
#include <optional>
#include <utility>

#include "layby/http/url.h"

namespace layby::oci {
namespace {

constexpr std::string_view kPrefix = "/v2/";

// Removes the last part of `path` and the slash before it, and returns the part.
std::string_view take_last(std::string_view& path) {
  if (path.empty()) return {};
  const void* slash = ::memrchr(path.data(), '/', path.size());  // rfind() would test byte by byte.
  if (slash == nullptr) return std::exchange(path, {});
  const auto length = static_cast<std::size_t>(static_cast<const char*>(slash) - path.data());
  const std::string_view part = path.substr(length + 1);
  path = path.substr(0, length);
  return part;
}

BadRoute unknown() { return {ApiErrorCode::kNameUnknown, "no such endpoint"}; }

BadRoute bad_name() { return {ApiErrorCode::kNameInvalid, "invalid repository name"}; }

BadRoute bad_digest() { return {ApiErrorCode::kDigestInvalid, "invalid digest"}; }

Route manifest_route(std::string_view name, std::string_view text) {
  std::optional<Reference> reference = parse_reference(text);
  if (reference) return ManifestRoute{std::string(name), *std::move(reference)};
  if (text.find(':') != std::string_view::npos) return bad_digest();
  return BadRoute{ApiErrorCode::kManifestInvalid, "invalid tag"};
}

template <typename DigestRoute>
Route digest_route(std::string_view name, std::string_view text) {
  std::optional<Digest> digest = Digest::parse(text);
  if (!digest) return bad_digest();
  return DigestRoute{std::string(name), *std::move(digest)};
}

// `rest` is the path after "/v2/", not empty.
Route parse_endpoint(std::string_view rest) {
  assert(!rest.empty());
  std::string_view name = rest;
  const std::string_view last = take_last(name);
  const std::string_view kind = take_last(name);
  std::string_view above = name;
  const bool is_upload = kind == "uploads" && take_last(above) == "blobs";
  if (is_upload) name = above;
  const bool is_tags = kind == "tags" && last == "list";
  const bool is_known =
      is_upload || is_tags || kind == "manifests" || kind == "blobs" || kind == "referrers";
  if (!is_known) return unknown();
  if (!is_qualified_repository(name)) return bad_name();
  if (is_upload || (kind == "blobs" && last == "uploads")) return UploadRoute{std::string(name)};
  if (is_tags) return TagsRoute{std::string(name)};
  if (kind == "manifests") return manifest_route(name, last);
  if (kind == "blobs") return digest_route<BlobRoute>(name, last);
  return digest_route<ReferrersRoute>(name, last);
}

}  // namespace

Route parse_route(std::string_view path) {
  std::optional<std::string> decoded;
  std::string_view text = path;
  if (path.find('%') != std::string_view::npos) {
    decoded = http::percent_decode(path);
    if (!decoded) return bad_name();
    text = *decoded;
  }
  if (text == "/v2" || text == kPrefix) return PingRoute{};
  if (!text.starts_with(kPrefix)) return unknown();
  return parse_endpoint(text.substr(kPrefix.size()));
}

}  // namespace layby::oci
