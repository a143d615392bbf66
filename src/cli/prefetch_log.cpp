// SPDX-License-Identifier: Apache-2.0
//
// A current image gets no line of its own: on most days, every image is current.

#include "cli/prefetch_log.h"

#include <utility>

#include "cli/prefetch_words.h"

namespace layby::cli {
namespace {

using State = PrefetchImage::State;

constexpr std::chrono::milliseconds kSumEvery{10'000};

}  // namespace

std::string PrefetchLog::lines(const PrefetchLook& look, std::chrono::milliseconds elapsed) {
  rate_.take(look.bytes_done, elapsed);
  return ends(look) + sum(look, elapsed);
}

std::string PrefetchLog::ends(const PrefetchLook& look) {
  std::string lines;
  for (const PrefetchImage& image : look.images) {
    State& known = states_.try_emplace(image.name, State::kWaiting).first->second;
    const bool changed = std::exchange(known, image.state) != image.state;
    const bool told = image.state == State::kDone || image.state == State::kGivenUp;
    if (changed && told) lines += end_of(image) + "\n";
  }
  return lines;
}

std::string PrefetchLog::sum(const PrefetchLook& look, std::chrono::milliseconds elapsed) {
  // An ended run gets verdict() instead of a sum.
  if (!look.result.empty() || elapsed - printed_at_ < kSumEvery) return "";
  printed_at_ = elapsed;
  std::string words = total(look, rate_.per_second());
  for (const std::string& more : {counts(look), why_it_waits(look)}) {
    if (!more.empty()) words += "; " + more;
  }
  if (words == printed_) return "";
  printed_ = words;
  return words + "\n";
}

}  // namespace layby::cli
