// SPDX-License-Identifier: Apache-2.0

#include "site_day/trace.h"

#include <algorithm>
#include <numeric>

namespace layby::site_day {
namespace {

constexpr std::size_t kPulls = 700;
constexpr std::size_t kBuildMachines = 10;
constexpr double kOfOthers = 0.15;  // The share of pulls of images that aren't listed.
constexpr double kSkew = 0.9;
constexpr double kOthersSkew = 0.4;

// The number of pulls in each hour, relative to a busy hour.
constexpr double kHours[24] = {0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.2, 0.6, 1.0, 1.1, 1.0, 1.0,
                               0.6, 0.9, 1.0, 1.0, 0.9, 0.6, 0.3, 0.2, 0.2, 0.1, 0.1, 0.1};

std::chrono::milliseconds draw_time(simulator::Random& random) {
  constexpr double kHourMs = 3'600'000;
  double rest = random.share() * std::accumulate(std::begin(kHours), std::end(kHours), 0.0);
  std::size_t hour = 0;
  while (hour < 23 && rest >= kHours[hour]) rest -= kHours[hour++];
  const double within = std::min(rest / kHours[hour], 1.0);
  return std::chrono::milliseconds(
      static_cast<std::int64_t>((static_cast<double>(hour) + within) * kHourMs));
}

}  // namespace

std::vector<TracedPull> make_trace(const Images& images, std::uint64_t seed) {
  simulator::Random random(seed);
  std::vector<ImageName> listed = images.listed();
  random.shuffle(listed);
  const simulator::Zipf of_listed(listed.size(), kSkew);
  const simulator::Zipf of_others(images.others().size(), kOthersSkew);
  std::vector<TracedPull> trace;
  for (std::size_t i = 0; i < kPulls; ++i) {
    TracedPull pull{draw_time(random), random.between(0, kMachines - 1), false, {}};
    pull.emptied = pull.machine < kBuildMachines;
    pull.image = random.happens(kOfOthers) ? images.others()[of_others.draw(random)]
                                           : listed[of_listed.draw(random)];
    trace.push_back(pull);
  }
  std::stable_sort(trace.begin(), trace.end(),
                   [](const TracedPull& a, const TracedPull& b) { return a.at < b.at; });
  return trace;
}

}  // namespace layby::site_day
