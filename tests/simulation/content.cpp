// SPDX-License-Identifier: Apache-2.0

#include "simulation/content.h"

#include <algorithm>
#include <cassert>

namespace layby::simulation {
namespace {

constexpr std::size_t kRepositories = 8;
constexpr std::size_t kLoose = 40;
constexpr double kMedianLayer = 4'000;

}  // namespace

Content::Content(simulator::Random& random) : random_(random) {
  for (int i = 0; i < 2; ++i) bases_.push_back(make_layer(3 * kMedianLayer));
  for (std::size_t i = 0; i < kRepositories; ++i) {
    for (const char* tag : {"latest", "stable"}) {
      names_.push_back({"library/tool-" + std::to_string(i), tag});
      tags_[names_.back()].push_back({SteadyTime::min(), build()});
    }
  }
  for (std::size_t i = 0; i < kLoose; ++i) {
    loose_.push_back(oci::Digest::of(make_layer(5 * kMedianLayer)));
  }
}

std::string Content::make_layer(double median) {
  const double drawn = random_.log_normal(median, 1);
  std::string bytes(std::min(static_cast<std::size_t>(drawn), kLargestBlob), '\0');
  // Empty layers are rare. Every other layer is so long that no two layers are equal.
  bytes.resize(random_.happens(0.02) ? 0 : std::max<std::size_t>(bytes.size(), 16));
  for (std::size_t i = 0; i < bytes.size(); i += 4) {
    const std::size_t word = random_.between(0, UINT32_MAX);
    for (std::size_t j = i; j < std::min(i + 4, bytes.size()); ++j) {
      bytes[j] = static_cast<char>(word >> (j - i) * 8 & 255);
    }
  }
  blobs_.emplace(oci::Digest::of(bytes), bytes);
  return bytes;
}

oci::Digest Content::build() {
  std::vector<std::string> layers{bases_[random_.between(0, bases_.size() - 1)]};
  for (std::size_t more = random_.between(1, 3); more > 0; --more) {
    layers.push_back(make_layer(kMedianLayer));
  }
  const auto manifest = testing::make_manifest(make_layer(100), layers);
  manifests_.insert_or_assign(manifest.digest, manifest);
  if (random_.happens(0.3)) return manifest.digest;
  const auto other = testing::make_manifest("arm64" + manifest.digest.str(), {layers[0]});
  const auto index = testing::make_index({{manifest, "amd64"}, {other, "arm64"}});
  manifests_.insert_or_assign(index.digest, index);
  return index.digest;
}

void Content::change(std::size_t name, SteadyTime now) {
  auto& eras = tags_.at(names_.at(name));
  assert(eras.back().from <= now);
  if (!eras.back().digest) return eras.push_back({now, eras[eras.size() - 2].digest});
  if (random_.happens(0.1)) return eras.push_back({now, std::nullopt});
  eras.push_back({now, build()});
}

std::optional<oci::Digest> Content::find_tag(const ImageName& name) const {
  const auto at = tags_.find(name);
  return at == tags_.end() ? std::nullopt : at->second.back().digest;
}

bool Content::named(const ImageName& name, const std::optional<oci::Digest>& digest,
                    SteadyTime from, SteadyTime to) const {
  const auto at = tags_.find(name);
  if (at == tags_.end()) return !digest;
  const auto& eras = at->second;
  for (std::size_t i = 0; i < eras.size(); ++i) {
    const bool ended_before = i + 1 < eras.size() && eras[i + 1].from < from;
    if (eras[i].digest == digest && eras[i].from <= to && !ended_before) return true;
  }
  return false;
}

const testing::TestManifest* Content::find_manifest(const oci::Digest& digest) const {
  const auto at = manifests_.find(digest);
  return at == manifests_.end() ? nullptr : &at->second;
}

const std::string* Content::find_blob(const oci::Digest& digest) const {
  const auto at = blobs_.find(digest);
  return at == blobs_.end() ? nullptr : &at->second;
}

}  // namespace layby::simulation
