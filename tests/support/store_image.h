// SPDX-License-Identifier: Apache-2.0
//
// Images for tests of stores: manifests of given blobs, and indexes of manifests.

#ifndef LAYBY_TESTS_SUPPORT_STORE_IMAGE_H_
#define LAYBY_TESTS_SUPPORT_STORE_IMAGE_H_

#include <string>
#include <utility>
#include <vector>

#include "layby/cache/store.h"
#include "layby/oci/manifest.h"

namespace layby::testing {

struct TestManifest {
  std::string bytes;
  std::string media_type;
  oci::Digest digest = oci::Digest::of("");

  cache::StoredManifest stored() const {
    return {std::make_shared<const std::string>(bytes), media_type};
  }
};

namespace image_detail {

inline std::string descriptor(std::string_view media_type, const std::string& bytes,
                              const std::string& more = "") {
  return R"({"mediaType":")" + std::string(media_type) + R"(","digest":")" +
         oci::Digest::of(bytes).str() + R"(","size":)" + std::to_string(bytes.size()) + more + "}";
}

inline std::string joined(const std::vector<std::string>& parts) {
  std::string all;
  for (const std::string& part : parts) all += (all.empty() ? "" : ",") + part;
  return all;
}

inline TestManifest finish(std::string bytes, std::string_view media_type) {
  TestManifest made{std::move(bytes), std::string(media_type)};
  made.digest = oci::Digest::of(made.bytes);
  return made;
}

}  // namespace image_detail

inline constexpr std::string_view kTestLayer = "application/vnd.oci.image.layer.v1.tar+gzip";

// Makes a manifest of blobs that have these bytes.
inline TestManifest make_manifest(const std::string& config, const std::vector<std::string>& layers,
                                  std::string_view layer_type = kTestLayer) {
  std::vector<std::string> named;
  for (const std::string& layer : layers) {
    named.push_back(image_detail::descriptor(layer_type, layer));
  }
  return image_detail::finish(
      R"({"schemaVersion":2,"mediaType":")" + std::string(oci::kOciManifest) + R"(","config":)" +
          image_detail::descriptor("application/vnd.oci.image.config.v1+json", config) +
          R"(,"layers":[)" + image_detail::joined(named) + "]}",
      oci::kOciManifest);
}

// Makes an index. Each pair is a manifest and the manifest's architecture on linux.
inline TestManifest make_index(const std::vector<std::pair<TestManifest, std::string>>& manifests) {
  std::vector<std::string> named;
  for (const auto& [manifest, architecture] : manifests) {
    named.push_back(image_detail::descriptor(
        manifest.media_type, manifest.bytes,
        R"(,"platform":{"os":"linux","architecture":")" + architecture + R"("})"));
  }
  return image_detail::finish(R"({"schemaVersion":2,"mediaType":")" + std::string(oci::kOciIndex) +
                                  R"(","manifests":[)" + image_detail::joined(named) + "]}",
                              oci::kOciIndex);
}

}  // namespace layby::testing

#endif  // LAYBY_TESTS_SUPPORT_STORE_IMAGE_H_
