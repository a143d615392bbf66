// SPDX-License-Identifier: Apache-2.0
//
// Seeded random values that are the same with every standard library. The distributions of
// <random> differ between libraries.

#ifndef LAYBY_TESTS_SIMULATOR_RANDOM_H_
#define LAYBY_TESTS_SIMULATOR_RANDOM_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <random>
#include <vector>

namespace layby::simulator {

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  // A random number of at least 0 and below 1.
  double share() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }
  // A random number from `least` to `most`, both included.
  std::size_t between(std::size_t least, std::size_t most) {
    return least + engine_() % (most - least + 1);
  }
  bool happens(double probability) { return share() < probability; }
  // A log-normal random number: half of the numbers are below `median`.
  double log_normal(double median, double sigma) {
    const double normal =
        std::sqrt(-2 * std::log(1 - share())) * std::cos(2 * std::numbers::pi * share());
    return median * std::exp(sigma * normal);
  }
  template <typename T>
  void shuffle(std::vector<T>& values) {
    for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[engine_() % i]);
  }

 private:
  std::mt19937_64 engine_;
};

// Draws places from 0 to count - 1. Place i has a probability in proportion to
// 1 / (i + 1)^exponent.
class Zipf {
 public:
  Zipf(std::size_t count, double exponent) {
    double sum = 0;
    for (std::size_t i = 0; i < count; ++i) {
      sums_.push_back(sum += std::pow(static_cast<double>(i + 1), -exponent));
    }
  }
  std::size_t draw(Random& random) const {
    const auto it = std::upper_bound(sums_.begin(), sums_.end(), random.share() * sums_.back());
    return std::min<std::size_t>(static_cast<std::size_t>(it - sums_.begin()), sums_.size() - 1);
  }

 private:
  std::vector<double> sums_;
};

}  // namespace layby::simulator

#endif  // LAYBY_TESTS_SIMULATOR_RANDOM_H_
