// SPDX-License-Identifier: Apache-2.0
//
// Renders the store's catalog: sizes in bytes, ages in seconds.

#include "layby/admin/images.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "layby/oci/reference.h"

namespace layby::admin {
namespace {

using Json = nlohmann::ordered_json;

std::int64_t age_seconds(WallTime then, WallTime now) {
  const auto age = std::chrono::duration_cast<std::chrono::seconds>(now - then).count();
  return std::max<std::int64_t>(age, 0);
}

Json platform_json(const cache::CachedPlatform& platform) {
  return {{"platform", platform.platform},
          {"digest", platform.digest.str()},
          {"bytes", platform.bytes},
          {"missing_bytes", platform.missing_bytes}};
}

Json image_json(const cache::CachedImage& image, WallTime now) {
  Json platforms = Json::array();
  for (const cache::CachedPlatform& platform : image.platforms) {
    platforms.push_back(platform_json(platform));
  }
  return {{"image", image_name(image.tag)},
          {"upstream", image.tag.upstream},
          {"repository", image.tag.repository},
          {"tag", image.tag.tag},
          {"digest", image.digest.str()},
          {"checked_seconds", age_seconds(image.checked_at, now)},
          {"used_seconds", image.used_at ? Json(age_seconds(*image.used_at, now)) : Json()},
          {"pinned", image.pinned},
          {"listed", image.listed},
          {"bytes", image.bytes},
          {"shared_bytes", image.shared_bytes},
          {"missing_bytes", image.missing_bytes},
          {"platforms", std::move(platforms)}};
}

}  // namespace

std::string image_name(const cache::TagKey& key) {
  const auto reference = oci::parse_reference(key.tag);
  const std::string registry = oci::is_docker_hub(key.upstream) ? "docker.io" : key.upstream;
  return to_string(oci::ImageName{registry, key.repository, reference.value_or(oci::Tag(key.tag))});
}

std::string images_json(const cache::Catalog& catalog, WallTime now) {
  Json images = Json::array();
  for (const cache::CachedImage& image : catalog.images) images.push_back(image_json(image, now));
  Json pins = Json::array();
  for (const cache::TagKey& pin : catalog.waiting_pins) {
    pins.push_back({{"image", image_name(pin)}, {"cached", false}});
  }
  const Json root = {{"images", std::move(images)},
                     {"pins", std::move(pins)},
                     {"blob_bytes", catalog.blob_bytes},
                     {"untagged_bytes", catalog.untagged_bytes}};
  return root.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace layby::admin
