// SPDX-License-Identifier: Apache-2.0
//
// Runs the same days under each arrangement, and prints one line of CSV for each day.
// scripts/simulate makes the table of docs/quota.md from this output.

#include <chrono>
#include <cstdint>
#include <cstdio>

#include "layby/base/log.h"
#include "site_day/day.h"

namespace layby::site_day {
namespace {

constexpr std::uint64_t kSeeds = 5;

double seconds(std::chrono::milliseconds time) { return static_cast<double>(time.count()) / 1000; }

void print(const Arrangement& arrangement, std::uint64_t seed, const Figures& day) {
  const auto number = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
  std::printf("\"%s\",%llu,%llu,%llu,%llu,%llu,%llu,%llu,%llu,%.1f,%.1f,%.1f,%.1f,%.1f\n",
              arrangement.name.c_str(), number(seed), number(day.pulls_counted),
              number(day.client_pulls), number(day.refused), number(day.failed),
              number(day.link_bytes), number(day.stale), number(day.renewed_tags),
              seconds(day.mean_renewal), seconds(day.longest_renewal), seconds(day.last_stale),
              seconds(day.mean_wait), seconds(day.longest_wait));
}

void run_all() {
  std::printf(
      "arrangement,seed,pulls_counted,client_pulls,refused,failed,link_bytes,stale,renewed_tags,"
      "mean_renewal_s,longest_renewal_s,last_stale_s,mean_wait_s,longest_wait_s\n");
  for (const Arrangement& arrangement : arrangements()) {
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
      print(arrangement, seed, run_day(arrangement, seed));
    }
  }
}

}  // namespace
}  // namespace layby::site_day

int main() {
  layby::log::start("error");
  layby::site_day::run_all();
  return 0;
}
