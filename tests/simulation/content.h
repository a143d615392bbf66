// SPDX-License-Identifier: Apache-2.0
//
// The content of the simulated registry: tags that move, vanish and come back, images that share
// layers, and loose blobs that no image has. The history of each tag says when a digest was the
// right answer. The same seed makes the same content. One byte stands for a thousand bytes, see
// site_day/images.h.

#ifndef LAYBY_TESTS_SIMULATION_CONTENT_H_
#define LAYBY_TESTS_SIMULATION_CONTENT_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "layby/base/clock.h"
#include "layby/oci/digest.h"
#include "simulator/random.h"
#include "site_day/images.h"
#include "support/store_image.h"

namespace layby::simulation {

using site_day::ImageName;

// The repository of the loose blobs.
inline constexpr const char* kLooseRepository = "site/loose";
inline constexpr std::size_t kLargestBlob = 60'000;

class Content {
 public:
  explicit Content(simulator::Random& random);

  const std::vector<ImageName>& names() const { return names_; }
  // Blobs that only hostile clients ask for.
  const std::vector<oci::Digest>& loose() const { return loose_; }

  // Changes a tag at `now`. The tag gets a new image, or vanishes, or comes back with its last
  // image.
  void change(std::size_t name, SteadyTime now);

  // nullopt when the tag doesn't exist now.
  std::optional<oci::Digest> find_tag(const ImageName& name) const;
  // Whether the tag pointed to `digest` at any time between `from` and `to`. If `digest` is
  // nullopt: whether the tag was missing at any of these times.
  bool named(const ImageName& name, const std::optional<oci::Digest>& digest, SteadyTime from,
             SteadyTime to) const;
  const testing::TestManifest* find_manifest(const oci::Digest& digest) const;
  const std::string* find_blob(const oci::Digest& digest) const;

 private:
  struct Era {
    SteadyTime from;
    std::optional<oci::Digest> digest;
  };

  std::string make_layer(double median);
  oci::Digest build();

  simulator::Random& random_;
  std::vector<std::string> bases_;
  std::vector<ImageName> names_;
  std::map<ImageName, std::vector<Era>> tags_;
  std::map<oci::Digest, testing::TestManifest> manifests_;
  std::map<oci::Digest, std::string> blobs_;
  std::vector<oci::Digest> loose_;
};

}  // namespace layby::simulation

#endif  // LAYBY_TESTS_SIMULATION_CONTENT_H_
