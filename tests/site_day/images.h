// SPDX-License-Identifier: Apache-2.0
//
// The content of the simulated registry: 30 tags of ten programs, and 80 other images. Each
// program has two tags on the Debian base and one on the Alpine base. Blobs are random bytes,
// a thousandth as long as real blobs. The same seed makes the same images, before and after a
// rebuild of the base.

#ifndef LAYBY_TESTS_SITE_DAY_IMAGES_H_
#define LAYBY_TESTS_SITE_DAY_IMAGES_H_

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "layby/oci/digest.h"
#include "simulator/random.h"
#include "support/store_image.h"

namespace layby::site_day {

// One byte of a simulated blob represents this number of real bytes. Manifests have real sizes.
inline constexpr std::uint64_t kBytesPerByte = 1000;

struct ImageName {
  std::string repository;  // "library/python"
  std::string tag;
  auto operator<=>(const ImageName&) const = default;
};

class Images {
 public:
  explicit Images(std::uint64_t seed);

  const std::vector<ImageName>& listed() const { return listed_; }
  const std::vector<ImageName>& others() const { return others_; }

  // Releases a new Debian base and builds all images on it again. Returns the tags that
  // moved. The old images stay available by digest.
  std::vector<ImageName> rebuild_base();

  // The find functions return nullopt or null when the object doesn't exist.
  std::optional<oci::Digest> find_tag(const ImageName& name) const;
  const testing::TestManifest* find_manifest(const oci::Digest& digest) const;
  const std::string* find_blob(const oci::Digest& digest) const;

 private:
  // A program's images on one base. They share a layer above the base.
  struct Line {
    std::string base;    // The base layer.
    std::string shared;  // The layer above the base.
    double shared_mb = 0;
    bool on_debian = false;
  };
  struct Build {
    ImageName name;
    std::size_t line = 0;
    double own_mb = 0;
  };

  std::string make_layer(double mb);
  std::size_t add_line(const std::string& base, double shared_mb, bool on_debian);
  void add_listed();
  void add_others();
  void build(const Build& build);

  simulator::Random random_;
  std::string debian_;
  std::string alpine_;
  std::vector<Line> lines_;
  std::vector<Build> builds_;
  std::vector<ImageName> listed_;
  std::vector<ImageName> others_;
  std::map<ImageName, oci::Digest> tags_;
  std::map<oci::Digest, testing::TestManifest> manifests_;
  std::map<oci::Digest, std::string> blobs_;
};

}  // namespace layby::site_day

#endif  // LAYBY_TESTS_SITE_DAY_IMAGES_H_
