// SPDX-License-Identifier: Apache-2.0
//
// Parses manifests. The parser is strict for the fields that the cache acts on (digests, sizes, the
// kind of document) and ignores other fields. The parser refuses a document that is both a manifest
// and an index, since two readers could see different images in the document (CVE-2021-41190).
// Invariant: a parsed index has no config and no layers; a parsed image has a config and no
// children.

#include "layby/oci/manifest.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <limits>
#include <utility>

#include "layby/http/headers.h"
#include "oci/json.h"

namespace layby::oci {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 4> kMediaTypes{kOciIndex, kOciManifest, kDockerManifestList,
                                                      kDockerManifest};

// The most entries in a list of layers or of manifests. Real lists have at most some hundreds of
// entries. Each entry takes about 1 KB of memory while the manifest is read.
constexpr std::size_t kMaxDescriptors = 10'000;

Error bad_field(const std::string& field, const char* why) {
  return {ErrorCode::kInvalid, "manifest: \"" + field + "\" " + why};
}

// Reads a string member; a missing member gives an empty string.
Result<std::string> read_string(const json& object, const char* key, const std::string& field) {
  const json* value = member(object, key);
  if (value == nullptr) return std::string();
  std::optional<std::string> text = as_string(*value);
  if (!text) return bad_field(field, "must be a string");
  return *std::move(text);
}

Result<Platform> read_platform(const json& value, const std::string& field) {
  if (!value.is_object()) return bad_field(field, "must be an object");
  Result<std::string> os = read_string(value, "os", field + ".os");
  if (!os) return std::move(os).error();
  Result<std::string> architecture = read_string(value, "architecture", field + ".architecture");
  if (!architecture) return std::move(architecture).error();
  Result<std::string> variant = read_string(value, "variant", field + ".variant");
  if (!variant) return std::move(variant).error();
  return Platform{*std::move(os), *std::move(architecture), *std::move(variant)};
}

Result<Digest> read_digest(const json& object, const std::string& field) {
  const json* value = member(object, "digest");
  const std::optional<std::string> text = value == nullptr ? std::nullopt : as_string(*value);
  std::optional<Digest> digest = text ? Digest::parse(*text) : std::nullopt;
  if (!digest) return bad_field(field, "must be a sha256 or sha512 digest");
  return *std::move(digest);
}

// A size is at most the largest off_t, so that sums and offsets made from the size stay valid.
Result<std::uint64_t> read_size(const json& object, const std::string& field) {
  constexpr std::uint64_t kMaxSize = std::numeric_limits<std::int64_t>::max();
  const json* value = member(object, "size");
  const std::optional<std::uint64_t> size = value == nullptr ? std::nullopt : as_unsigned(*value);
  if (!size || *size > kMaxSize) return bad_field(field, "must be a number of bytes");
  return *size;
}

// The image that an attestation belongs to, from the annotations vnd.docker.reference.* (BuildKit,
// "attestation storage"). Other annotations are ignored.
std::optional<Digest> read_attested(const json& object) {
  const json* annotations = member(object, "annotations");
  if (annotations == nullptr || !annotations->is_object()) return std::nullopt;
  const json* type = member(*annotations, "vnd.docker.reference.type");
  const json* digest = member(*annotations, "vnd.docker.reference.digest");
  if (type == nullptr || digest == nullptr || *type != "attestation-manifest") return std::nullopt;
  if (!digest->is_string()) return std::nullopt;
  return Digest::parse(digest->get_ref<const std::string&>());
}

// Whether the member `key` is present and not empty.
bool holds_any(const json& object, const char* key) {
  const json* value = member(object, key);
  return value != nullptr && !value->empty();
}

// The media types of layers that are fetched from their "urls": Docker's foreign layers, and OCI's
// layers that must not be distributed, with any compression.
bool is_foreign_type(std::string_view media_type) {
  return media_type.starts_with("application/vnd.docker.image.rootfs.foreign.") ||
         media_type.starts_with("application/vnd.oci.image.layer.nondistributable.");
}

Result<Descriptor> read_descriptor(const json& value, const std::string& field) {
  if (!value.is_object()) return bad_field(field, "must be a descriptor");
  Result<std::string> media_type = read_string(value, "mediaType", field + ".mediaType");
  if (!media_type) return std::move(media_type).error();
  Result<Digest> digest = read_digest(value, field + ".digest");
  if (!digest) return std::move(digest).error();
  Result<std::uint64_t> size = read_size(value, field + ".size");
  if (!size) return std::move(size).error();
  Descriptor descriptor{*std::move(media_type), *std::move(digest), *size, std::nullopt,
                        read_attested(value)};
  descriptor.is_foreign = is_foreign_type(descriptor.media_type) || holds_any(value, "urls");
  if (const json* platform = member(value, "platform")) {
    Result<Platform> read = read_platform(*platform, field + ".platform");
    if (!read) return std::move(read).error();
    descriptor.platform = *std::move(read);
  }
  return descriptor;
}

// The list must be present but may be null: Go writes an empty list as null.
Result<std::vector<Descriptor>> read_descriptors(const json& object, const char* key) {
  if (!object.contains(key)) return bad_field(key, "is missing");
  std::vector<Descriptor> descriptors;
  const json* list = member(object, key);
  if (list == nullptr) return descriptors;
  if (!list->is_array()) return bad_field(key, "must be a list");
  assert(list->size() <= kMaxDescriptors);
  for (const json& element : *list) {
    const std::string field = std::string(key) + '[' + std::to_string(descriptors.size()) + ']';
    Result<Descriptor> descriptor = read_descriptor(element, field);
    if (!descriptor) return std::move(descriptor).error();
    descriptors.push_back(*std::move(descriptor));
  }
  return descriptors;
}

Status read_index(const json& object, Manifest& manifest) {
  if (holds_any(object, "layers")) return bad_field("layers", "can't be in an index");
  if (holds_any(object, "config")) return bad_field("config", "can't be in an index");
  Result<std::vector<Descriptor>> manifests = read_descriptors(object, "manifests");
  if (!manifests) return std::move(manifests).error();
  manifest.manifests = *std::move(manifests);
  return {};
}

Status read_image(const json& object, Manifest& manifest) {
  if (holds_any(object, "manifests")) {
    return bad_field("manifests", "can't be in a manifest of one image");
  }
  const json* config = member(object, "config");
  if (config == nullptr) return bad_field("config", "is missing");
  Result<Descriptor> descriptor = read_descriptor(*config, "config");
  if (!descriptor) return std::move(descriptor).error();
  manifest.config = *std::move(descriptor);
  Result<std::vector<Descriptor>> layers = read_descriptors(object, "layers");
  if (!layers) return std::move(layers).error();
  manifest.layers = *std::move(layers);
  return {};
}

Status read_subject(const json& object, Manifest& manifest) {
  const json* subject = member(object, "subject");
  if (subject == nullptr) return {};
  Result<Descriptor> descriptor = read_descriptor(*subject, "subject");
  if (!descriptor) return std::move(descriptor).error();
  manifest.subject = *std::move(descriptor);
  return {};
}

// The "mediaType" of the document, else `content_type` without its parameters.
Result<std::string> read_media_type(const json& object, std::string_view content_type) {
  Result<std::string> inside = read_string(object, "mediaType", "mediaType");
  if (!inside) return inside;
  std::string media_type = *std::move(inside);
  if (media_type.empty()) {
    media_type = http::trim(content_type.substr(0, content_type.find(';')));
  }
  if (!is_manifest_type(media_type)) {
    return bad_field("mediaType", "is not the type of a manifest or an index");
  }
  return media_type;
}

bool has_schema_version_2(const json& object) {
  const json* version = member(object, "schemaVersion");
  return version != nullptr && as_unsigned(*version) == 2U;
}

}  // namespace

std::string accept_all_manifests() {
  std::string accept;
  for (const std::string_view media_type : kMediaTypes) {
    if (!accept.empty()) accept += ", ";
    accept += media_type;
  }
  return accept;
}

bool is_manifest_type(std::string_view media_type) {
  return std::find(kMediaTypes.begin(), kMediaTypes.end(), media_type) != kMediaTypes.end();
}

bool is_index(std::string_view media_type) {
  return media_type == kOciIndex || media_type == kDockerManifestList;
}

Result<Manifest> parse_manifest(std::string_view text, std::string_view content_type) {
  if (text.size() > kMaxManifestBytes) {
    return Error{ErrorCode::kInvalid, "manifest: larger than 4 MiB"};
  }
  if (longest_list(text) > kMaxDescriptors) {
    return Error{ErrorCode::kInvalid, "manifest: a list has more than 10,000 entries"};
  }
  const std::optional<json> object = parse_json(text);
  if (!object || !object->is_object()) {
    return Error{ErrorCode::kInvalid, "manifest: not a JSON object"};
  }
  if (!has_schema_version_2(*object)) return bad_field("schemaVersion", "must be 2");
  Result<std::string> media_type = read_media_type(*object, content_type);
  if (!media_type) return std::move(media_type).error();
  Manifest manifest;
  manifest.media_type = *std::move(media_type);
  Status read =
      is_index(manifest.media_type) ? read_index(*object, manifest) : read_image(*object, manifest);
  if (read.ok()) read = read_subject(*object, manifest);
  if (!read) return read.error();
  assert(is_index(manifest.media_type) != manifest.config.has_value());
  assert(manifest.layers.empty() || manifest.manifests.empty());
  return manifest;
}

}  // namespace layby::oci
