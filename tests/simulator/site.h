// SPDX-License-Identifier: Apache-2.0
//
// A Docker site: images that share layers, and machines that keep the images they pulled.
// The site records the requests that reach the cache. A pull always asks for the manifest,
// and for the config and layers that the machine doesn't have.

#ifndef LAYBY_TESTS_SIMULATOR_SITE_H_
#define LAYBY_TESTS_SIMULATOR_SITE_H_

#include <unordered_set>
#include <vector>

#include "simulator/random.h"
#include "simulator/trace.h"

namespace layby::simulator {

struct SiteShape {
  std::size_t repositories = 300;
  std::size_t most_tags = 5;  // A repository has 1 to most_tags tags.
  std::size_t bases = 12;     // Linux distributions; most repositories build on a few of them.
  std::size_t machines = 60;
  double cleaned = 0.05;  // The share of pulls whose machine is emptied before the pull.
};

class Site {
 public:
  Site(std::string name, const SiteShape& shape, std::uint64_t seed);

  std::size_t images() const { return images_.size(); }
  std::size_t machines() const { return machines_.size(); }
  Random& random() { return random_; }

  // Lets a random machine pull. The machine is sometimes emptied before the pull.
  void pull(std::size_t image);
  void pull(std::size_t image, std::size_t machine);
  // Lets a new machine pull. The machine exists only for this pull.
  void pull_once(std::size_t image);

  // Builds the tag's image again: manifest, config and the layers above the base.
  void rebuild(std::size_t image);
  // Releases a new base, and builds all images on this base again.
  void rebuild_base(std::size_t base);
  std::size_t bases() const { return bases_.size(); }

  Trace take() { return std::move(trace_); }

 private:
  struct Image {
    std::size_t base = 0;
    Object manifest = 0;
    Object config = 0;
    std::vector<Object> layers;  // Above the base, the lowest first.
  };
  using Machine = std::unordered_set<Object>;

  Object add(double bytes);
  Object add_layer();
  void add_repository(std::size_t most_tags, const Zipf& base_of);
  void number_anew(Image& image);
  void ask(Machine& machine, Object object);
  void ask_for_image(Machine& machine, const Image& image);

  Random random_;
  Trace trace_;
  std::vector<std::vector<Object>> bases_;
  std::vector<Image> images_;
  std::vector<Machine> machines_;
  double cleaned_;
};

}  // namespace layby::simulator

#endif  // LAYBY_TESTS_SIMULATOR_SITE_H_
