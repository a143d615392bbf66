// SPDX-License-Identifier: Apache-2.0

#include "layby/base/random.h"

#include <random>

namespace layby {
namespace {

std::minstd_rand& engine() {
  static thread_local std::minstd_rand engine{std::random_device{}()};
  return engine;
}

}  // namespace

double random_share() { return std::uniform_real_distribution<double>(0.0, 1.0)(engine()); }

void seed_random(std::uint32_t seed) { engine().seed(seed); }

}  // namespace layby
