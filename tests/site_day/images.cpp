// SPDX-License-Identifier: Apache-2.0
//
// The sizes are rounded sizes of well-known images' compressed layers.

#include "site_day/images.h"

#include <algorithm>
#include <utility>

namespace layby::site_day {
namespace {

constexpr double kDebianMb = 28;
constexpr double kAlpineMb = 3.6;
constexpr double kConfigMb = 0.1;
constexpr std::size_t kOthers = 80;

struct Program {
  const char* repository;
  const char* on_debian[2];
  const char* on_alpine;
  double shared_mb;  // The layer that the images on one base share.
  double own_mb;     // The layer that only one image has.
};

constexpr Program kPrograms[] = {
    {"library/python", {"3.13-slim", "3.12-slim"}, "3.13-alpine", 4, 13},
    {"library/node", {"22-slim", "20-slim"}, "22-alpine", 3, 45},
    {"library/golang", {"1.24", "1.23"}, "1.24-alpine", 90, 75},
    {"library/eclipse-temurin", {"21-jre", "17-jre"}, "21-jre-alpine", 15, 52},
    {"library/php", {"8.4-fpm", "8.3-fpm"}, "8.4-fpm-alpine", 100, 32},
    {"library/ruby", {"3.4-slim", "3.3-slim"}, "3.4-alpine", 5, 38},
    {"library/nginx", {"1.27", "1.26"}, "1.27-alpine", 1, 41},
    {"library/redis", {"7", "6"}, "7-alpine", 1, 16},
    {"library/postgres", {"17", "16"}, "17-alpine", 9, 112},
    {"library/httpd", {"2.4", "2"}, "2.4-alpine", 4, 30},
};

}  // namespace

Images::Images(std::uint64_t seed) : random_(seed) {
  debian_ = make_layer(kDebianMb);
  alpine_ = make_layer(kAlpineMb);
  add_listed();
  add_others();
  for (const Build& build : builds_) this->build(build);
}

std::string Images::make_layer(double mb) {
  constexpr std::size_t kLeast = 32;  // Long enough that random layers differ.
  std::string bytes(std::max(static_cast<std::size_t>(mb * 1e6 / kBytesPerByte), kLeast), '\0');
  for (char& byte : bytes) byte = static_cast<char>(random_.between(0, 255));
  blobs_.emplace(oci::Digest::of(bytes), bytes);
  return bytes;
}

std::size_t Images::add_line(const std::string& base, double shared_mb, bool on_debian) {
  lines_.push_back({base, make_layer(shared_mb), shared_mb, on_debian});
  return lines_.size() - 1;
}

void Images::add_listed() {
  for (const Program& program : kPrograms) {
    const std::size_t debian = add_line(debian_, program.shared_mb, true);
    const std::size_t alpine = add_line(alpine_, program.shared_mb, false);
    for (const char* tag : program.on_debian) {
      builds_.push_back({{program.repository, tag}, debian, program.own_mb});
    }
    builds_.push_back({{program.repository, program.on_alpine}, alpine, program.own_mb});
  }
  for (const Build& build : builds_) listed_.push_back(build.name);
}

void Images::add_others() {
  for (std::size_t i = 0; i < kOthers; ++i) {
    const bool own_base = random_.happens(0.5);
    const std::string base = own_base ? make_layer(random_.log_normal(30, 0.5)) : alpine_;
    const std::size_t line = add_line(base, random_.log_normal(5, 1), false);
    others_.push_back({"site/tool-" + std::to_string(i), "latest"});
    builds_.push_back({others_.back(), line, std::min(random_.log_normal(25, 1), 300.0)});
  }
}

// Builds an index of two platforms. The site pulls only one platform, so the manifest of the
// second platform doesn't exist.
void Images::build(const Build& build) {
  const Line& line = lines_[build.line];
  const auto manifest = testing::make_manifest(make_layer(kConfigMb),
                                               {line.base, line.shared, make_layer(build.own_mb)});
  const auto other = testing::make_manifest("arm64" + manifest.digest.str(), {line.base});
  const auto index = testing::make_index({{manifest, "amd64"}, {other, "arm64"}});
  manifests_.insert_or_assign(manifest.digest, manifest);
  manifests_.insert_or_assign(index.digest, index);
  tags_.insert_or_assign(build.name, index.digest);
}

std::vector<ImageName> Images::rebuild_base() {
  debian_ = make_layer(kDebianMb);
  for (Line& line : lines_) {
    if (!line.on_debian) continue;
    line.base = debian_;
    line.shared = make_layer(line.shared_mb);
  }
  std::vector<ImageName> moved;
  for (const Build& build : builds_) {
    if (!lines_[build.line].on_debian) continue;
    this->build(build);
    moved.push_back(build.name);
  }
  return moved;
}

std::optional<oci::Digest> Images::find_tag(const ImageName& name) const {
  const auto at = tags_.find(name);
  return at == tags_.end() ? std::nullopt : std::optional(at->second);
}

const testing::TestManifest* Images::find_manifest(const oci::Digest& digest) const {
  const auto at = manifests_.find(digest);
  return at == manifests_.end() ? nullptr : &at->second;
}

const std::string* Images::find_blob(const oci::Digest& digest) const {
  const auto at = blobs_.find(digest);
  return at == blobs_.end() ? nullptr : &at->second;
}

}  // namespace layby::site_day
