// SPDX-License-Identifier: Apache-2.0
//
// Paths, references, names, platforms and patterns. The first line is read as a path, as a name, as
// a reference and as a platform. The second line is a pattern. An accepted value must obey its
// grammar and read back the same.

#include <string>
#include <variant>
#include <vector>

#include "layby/http/url.h"
#include "layby/oci/platform.h"
#include "layby/oci/route.h"
#include "layby/policy/repository_filter.h"
#include "require.h"

namespace layby::fuzz {
namespace {

void check_repository(std::string_view name) {
  require(oci::is_qualified_repository(name), "a route's repository obeys the grammar");
  require(oci::is_repository(name) || oci::is_repository(oci::split_registry(name).repository),
          "the part after the registry is a repository");
  require(name.find("..") == std::string_view::npos, "no repository holds ..");
  require(name.find("//") == std::string_view::npos, "no repository holds //");
  require(name.front() != '/' && name.back() != '/', "no repository begins or ends with /");
}

void check_digest(const oci::Digest& digest) {
  require(oci::Digest::parse(digest.str()) == digest, "a digest reads back");
  require(digest.hex().size() == (digest.kind() == ShaKind::kSha256 ? 64 : 128),
          "a digest has its algorithm's length");
}

struct Checker {
  std::string path;  // As on the wire, before decoding.

  void operator()(const oci::PingRoute&) const {
    const auto decoded = http::percent_decode(path);
    require(decoded == "/v2" || decoded == "/v2/", "only /v2 is a ping");
  }
  void operator()(const oci::ManifestRoute& route) const {
    check_repository(route.repository);
    const std::string reference = oci::to_string(route.reference);
    require(oci::parse_reference(reference) == route.reference, "a reference reads back");
    const oci::Route again =
        oci::parse_route("/v2/" + route.repository + "/manifests/" + reference);
    const auto* same = std::get_if<oci::ManifestRoute>(&again);
    require(same != nullptr && same->repository == route.repository &&
                same->reference == route.reference,
            "a manifest's route reads back");
  }
  void operator()(const oci::BlobRoute& route) const {
    check_repository(route.repository);
    check_digest(route.digest);
    const oci::Route again =
        oci::parse_route("/v2/" + route.repository + "/blobs/" + route.digest.str());
    const auto* same = std::get_if<oci::BlobRoute>(&again);
    require(same != nullptr && same->repository == route.repository && same->digest == route.digest,
            "a blob's route reads back");
  }
  void operator()(const oci::TagsRoute& route) const { check_repository(route.repository); }
  void operator()(const oci::ReferrersRoute& route) const {
    check_repository(route.repository);
    check_digest(route.digest);
  }
  void operator()(const oci::UploadRoute& route) const { check_repository(route.repository); }
  void operator()(const oci::BadRoute& route) const {
    const int status = oci::http_status(route.code);
    require(status == 400 || status == 404, "a bad path is 400 or 404");
    require(!route.message.empty(), "a bad path says why");
  }
};

void check_name(std::string_view text) {
  if (oci::is_repository(text)) {
    const std::string name(text);
    const oci::Route route = oci::parse_route("/v2/" + name + "/tags/list");
    const auto* tags = std::get_if<oci::TagsRoute>(&route);
    require(tags != nullptr && tags->repository == name, "every repository can be asked for");
    require(oci::with_library(text).size() > 255 || oci::is_repository(oci::with_library(text)),
            "with_library gives a repository");
  }
  if (const auto reference = oci::parse_reference(text)) {
    require(oci::to_string(*reference) == text, "a reference keeps its text");
  }
  if (const auto platform = oci::parse_platform(text)) {
    require(oci::to_string(*platform) == text, "a platform keeps its text");
  }
}

// Matches by the definition of a pattern, with a table row for each character of the pattern.
bool matches_by_table(std::string_view pattern, std::string_view name) {
  std::vector<bool> row(name.size() + 1, false);
  row[0] = true;
  for (const char c : pattern) {
    std::vector<bool> next(name.size() + 1, false);
    next[0] = c == '*' && row[0];
    for (std::size_t i = 0; i < name.size(); ++i) {
      next[i + 1] = c == '*' ? next[i] || row[i + 1] : row[i] && c == name[i];
    }
    row = std::move(next);
  }
  return row[name.size()];
}

void check(std::string_view text) {
  const std::string_view path = take_line(text);
  const std::string_view pattern = take_line(text);
  std::visit(Checker{std::string(path)}, oci::parse_route(path));
  check_name(path);
  require(policy::matches_pattern(pattern, path) == matches_by_table(pattern, path),
          "patterns match as defined");
}

}  // namespace
}  // namespace layby::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  layby::fuzz::check(layby::fuzz::as_text(data, size));
  return 0;
}
