// SPDX-License-Identifier: Apache-2.0
//
// What the simulated registry has: 30 tags of ten programs, two on the Debian base and one
// on the Alpine base each, and 80 other images. Contents are random, and a thousandth as
// long as what they stand for. A seed makes the same images, and the same after the base
// was rebuilt, each time.

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

// Of blobs alone. Manifests are as small as they are.
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

  // The Debian base comes out anew, and all that stands on it is built again. Gives the
  // tags that moved; the old images can still be had by digest.
  std::vector<ImageName> rebuild_base();

  // Null and nullopt where there is none.
  std::optional<oci::Digest> find_tag(const ImageName& name) const;
  const testing::TestManifest* find_manifest(const oci::Digest& digest) const;
  const std::string* find_blob(const oci::Digest& digest) const;

 private:
  // What is built in one go: all images of a program on one base share its layer.
  struct Line {
    std::string base;    // The layer below.
    std::string shared;  // The layer above that.
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
