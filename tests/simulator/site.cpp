// SPDX-License-Identifier: Apache-2.0
//
// Half of the layers are below 4 MB and nine of ten below 63 MB; bases have some 30 MB. These
// sizes are assumed, in the order of magnitude of the official images' compressed layers.

#include "simulator/site.h"

namespace layby::simulator {
namespace {

constexpr double kMedianLayerBytes = 4e6;
constexpr double kLayerSigma = 2.15;
constexpr double kMedianBaseBytes = 30e6;
constexpr double kBaseSigma = 0.7;
constexpr double kLeastLayerBytes = 1e3;
constexpr double kMostLayerBytes = 300e6;
// The probability that a tag shares a layer above the base with the previous tag, if both tags
// share all layers below this layer.
constexpr double kSharedInRepository = 0.4;

}  // namespace

Site::Site(std::string name, const SiteShape& shape, std::uint64_t seed)
    : random_(seed), machines_(shape.machines), cleaned_(shape.cleaned) {
  trace_.name = std::move(name);
  for (std::size_t i = 0; i < shape.bases; ++i) {
    bases_.push_back({add(random_.log_normal(kMedianBaseBytes, kBaseSigma))});
    if (random_.happens(0.5)) bases_.back().push_back(add_layer());
  }
  const Zipf base_of(shape.bases, 1.0);
  for (std::size_t i = 0; i < shape.repositories; ++i) add_repository(shape.most_tags, base_of);
}

void Site::pull(std::size_t image) { pull(image, random_.between(0, machines_.size() - 1)); }

void Site::pull(std::size_t image, std::size_t machine) {
  if (random_.happens(cleaned_)) machines_[machine].clear();
  ask_for_image(machines_[machine], images_[image]);
}

void Site::pull_once(std::size_t image) {
  Machine machine;
  ask_for_image(machine, images_[image]);
}

void Site::rebuild(std::size_t image) {
  number_anew(images_[image]);
  for (Object& layer : images_[image].layers) {
    // A rebuilt layer has nearly the size of the old layer.
    layer = add(static_cast<double>(trace_.sizes_bytes[layer]) * (0.95 + 0.1 * random_.share()));
  }
}

void Site::rebuild_base(std::size_t base) {
  for (Object& layer : bases_[base]) {
    layer = add(static_cast<double>(trace_.sizes_bytes[layer]) * (0.95 + 0.1 * random_.share()));
  }
  for (std::size_t image = 0; image < images_.size(); ++image) {
    if (images_[image].base == base) rebuild(image);
  }
}

Object Site::add(double bytes) {
  const double size = std::clamp(bytes, kLeastLayerBytes, kMostLayerBytes);
  trace_.sizes_bytes.push_back(static_cast<std::uint64_t>(size));
  return static_cast<Object>(trace_.sizes_bytes.size() - 1);
}

Object Site::add_layer() { return add(random_.log_normal(kMedianLayerBytes, kLayerSigma)); }

void Site::add_repository(std::size_t most_tags, const Zipf& base_of) {
  const std::size_t base = base_of.draw(random_);
  const std::size_t own_layers = random_.between(2, 6);
  const std::size_t tags = random_.between(1, most_tags);
  Image sister;
  for (std::size_t tag = 0; tag < tags; ++tag) {
    Image image;
    image.base = base;
    number_anew(image);
    bool same = tag > 0;
    for (std::size_t i = 0; i < own_layers; ++i) {
      same = same && random_.happens(kSharedInRepository);
      image.layers.push_back(same ? sister.layers[i] : add_layer());
    }
    images_.push_back(image);
    sister = std::move(image);
  }
}

void Site::number_anew(Image& image) {
  image.manifest = add(random_.log_normal(2e3, 0.3));
  image.config = add(random_.log_normal(8e3, 0.4));
}

void Site::ask(Machine& machine, Object object) {
  if (machine.insert(object).second) {
    trace_.requests.push_back({Request::Kind::kGet, object});
  }
}

void Site::ask_for_image(Machine& machine, const Image& image) {
  trace_.requests.push_back({Request::Kind::kGet, image.manifest});
  trace_.requests.push_back({Request::Kind::kTouch, image.config});
  for (Object layer : bases_[image.base]) {
    trace_.requests.push_back({Request::Kind::kTouch, layer});
  }
  for (Object layer : image.layers) trace_.requests.push_back({Request::Kind::kTouch, layer});
  ask(machine, image.config);
  for (Object layer : bases_[image.base]) ask(machine, layer);
  for (Object layer : image.layers) ask(machine, layer);
}

}  // namespace layby::simulator
