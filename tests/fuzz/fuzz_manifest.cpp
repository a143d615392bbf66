// SPDX-License-Identifier: Apache-2.0
//
// Manifests. The input is a line with the Content-Type, then the JSON. An accepted document must
// be of one kind and have only the parts of that kind, with values that are safe to use.

#include <limits>
#include <string>

#include "layby/oci/manifest.h"
#include "require.h"

namespace layby::fuzz {
namespace {

void check_descriptor(const oci::Descriptor& descriptor) {
  require(oci::Digest::parse(descriptor.digest.str()) == descriptor.digest, "a digest reads back");
  require(descriptor.size_bytes <= std::uint64_t{std::numeric_limits<std::int64_t>::max()},
          "a size fits a file offset");
}

void check_index(const oci::Manifest& manifest) {
  require(!manifest.config, "an index has no config");
  require(manifest.layers.empty(), "an index has no layers");
  for (const oci::Descriptor& child : manifest.manifests) check_descriptor(child);
}

void check_image(const oci::Manifest& manifest) {
  require(manifest.config.has_value(), "an image has a config");
  require(manifest.manifests.empty(), "an image has no children");
  check_descriptor(*manifest.config);
  for (const oci::Descriptor& layer : manifest.layers) check_descriptor(layer);
}

void check(std::string_view text) {
  const std::string_view content_type = take_line(text);
  const Result<oci::Manifest> manifest = oci::parse_manifest(text, content_type);
  if (!manifest) {
    require(manifest.error().code == ErrorCode::kInvalid, "a refusal is kInvalid");
    require(manifest.error().message.starts_with("manifest: "), "a refusal names the manifest");
    return;
  }
  require(oci::accept_all_manifests().find(manifest->media_type) != std::string::npos,
          "the media type is one that we ask for");
  require(text.size() <= oci::kMaxManifestBytes, "no manifest is above the limit");
  if (manifest->subject) check_descriptor(*manifest->subject);
  if (oci::is_index(manifest->media_type)) {
    check_index(*manifest);
  } else {
    check_image(*manifest);
  }
}

}  // namespace
}  // namespace layby::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  layby::fuzz::check(layby::fuzz::as_text(data, size));
  return 0;
}
