// SPDX-License-Identifier: Apache-2.0
//
// Runs simulated sites. Each seed is a site; a broken promise prints the command that shows it
// again.

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>

#include "layby/base/log.h"
#include "simulation/site.h"

namespace {

using namespace layby::simulation;

struct Options {
  std::uint64_t first = 1;
  std::uint64_t seeds = 1;
  double minutes = 0;  // 0: as many seeds as given.
  bool verbose = false;
};

[[noreturn]] void usage() {
  std::fprintf(stderr,
               "usage: site_simulation --seed N [--verbose]\n"
               "       site_simulation --seeds N [--first K]\n"
               "       site_simulation --minutes M [--first K]\n");
  std::exit(2);
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--verbose") {
      options.verbose = true;
      continue;
    }
    if (i + 1 == argc) usage();
    const char* value = argv[++i];
    if (name == "--seed" || name == "--first") {
      options.first = std::strtoull(value, nullptr, 10);
    } else if (name == "--seeds") {
      options.seeds = std::strtoull(value, nullptr, 10);
    } else if (name == "--minutes") {
      options.minutes = std::strtod(value, nullptr);
      options.seeds = UINT64_MAX;
    } else {
      usage();
    }
  }
  return options;
}

void print(const Outcome& outcome, const Options& options) {
  if (options.verbose) {
    std::printf("%s", describe_site(outcome.seed).c_str());
    std::printf("seed %llu: %.1f h, %llu steps, %llu of %llu pulls, trace %016llx\n",
                static_cast<unsigned long long>(outcome.seed),
                static_cast<double>(outcome.simulated.count()) / 3.6e6,
                static_cast<unsigned long long>(outcome.steps),
                static_cast<unsigned long long>(outcome.pulled),
                static_cast<unsigned long long>(outcome.pulls),
                static_cast<unsigned long long>(outcome.trace));
  }
  if (!outcome.violation) return;
  std::printf("seed %llu: %s: %s (box %zu, after %.3f s)\n  scripts/simulate --seed %llu\n",
              static_cast<unsigned long long>(outcome.seed), outcome.violation->promise.c_str(),
              outcome.violation->what.c_str(), outcome.violation->box,
              static_cast<double>(outcome.violation->at.count()) / 1000,
              static_cast<unsigned long long>(outcome.seed));
  std::fflush(stdout);
}

void print(const char* kind, const WorstWaits& waits) {
  std::printf("the longest fair waits for %s, at most %.0f %% of the bound:\n", kind,
              waits.most_of_bound() * 100);
  for (const FairWait& wait : waits.longest()) {
    std::printf("%8.1f s, bound %.1f s, %s: %s\n", static_cast<double>(wait.wait.count()) / 1000,
                static_cast<double>(wait.bound.count()) / 1000,
                wait.attack.empty() ? "no attack" : wait.attack.c_str(), wait.what.c_str());
  }
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  layby::log::start("error");
  const auto started = std::chrono::steady_clock::now();
  std::uint64_t failed = 0;
  std::uint64_t run = 0;
  double hours = 0;
  Worst worst;
  for (; run < options.seeds; ++run) {
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - started;
    if (options.minutes > 0 && spent.count() >= options.minutes * 60) break;
    const Outcome outcome = run_site(options.first + run);
    hours += static_cast<double>(outcome.simulated.count()) / 3.6e6;
    failed += outcome.violation ? 1 : 0;
    worst.small.add(outcome.worst.small);
    worst.blobs.add(outcome.worst.blobs);
    print(outcome, options);
  }
  print("tags and manifests", worst.small);
  print("blobs", worst.blobs);
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - started;
  std::printf("%llu seeds, %.0f simulated days, %.0f s: %llu broke a promise\n",
              static_cast<unsigned long long>(run), hours / 24, spent.count(),
              static_cast<unsigned long long>(failed));
  return failed == 0 ? 0 : 1;
}
