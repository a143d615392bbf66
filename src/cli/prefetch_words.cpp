// SPDX-License-Identifier: Apache-2.0
//
// The total is a lower bound until the manifests of all images are read. Until then, the share and
// the time left would jump, so both figures are left out.

#include "cli/prefetch_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "cli/answer.h"
#include "layby/base/bytes.h"

namespace layby::cli {
namespace {

using State = PrefetchImage::State;

constexpr std::array<std::pair<State, const char*>, 5> kCounted{{{State::kCurrent, " current"},
                                                                 {State::kDone, " done"},
                                                                 {State::kGivenUp, " failed"},
                                                                 {State::kStopped, " stopped"},
                                                                 {State::kWaiting, " waiting"}}};

std::string amount(const PrefetchLook& look, std::uint64_t whole) {
  const std::string done = format_bytes(look.bytes_done);
  if (look.bytes_known && whole == 0) return "nothing to fetch";
  if (look.bytes_known) {
    return fmt::format("{}  {} of {}", percent(share_of(look.bytes_done, whole)), done,
                       format_bytes(whole));
  }
  return whole == 0 ? "sizes are not known yet"
                    : fmt::format("{} of at least {}", done, format_bytes(whole));
}

}  // namespace

std::string counts(const PrefetchLook& look) {
  std::string words;
  for (const auto& [state, name] : kCounted) {
    const std::uint64_t count = count_of(look, state);
    if (count > 0) words += (words.empty() ? "" : ", ") + std::to_string(count) + name;
  }
  return words;
}

std::string total(const PrefetchLook& look, std::optional<std::uint64_t> bytes_per_second) {
  const std::uint64_t whole = std::max(look.bytes_total, look.bytes_done);
  std::string words = amount(look, whole);
  if (look.waiting || !bytes_per_second || whole == 0) return words;
  words += fmt::format(", {}/s", format_bytes(*bytes_per_second));
  if (!look.bytes_known || *bytes_per_second == 0) return words;
  return fmt::format("{}, {} left", words, duration((whole - look.bytes_done) / *bytes_per_second));
}

std::string why_it_waits(const PrefetchLook& look) {
  if (!look.waiting) return "";
  return "waiting" + (look.reason.empty() ? "" : ": " + look.reason);
}

std::string end_of(const PrefetchImage& image) {
  assert(image.state == State::kDone || image.state == State::kGivenUp);
  if (image.state == State::kDone)
    return fmt::format("{}: done, {}", image.name, format_bytes(image.bytes_done));
  return fmt::format("{}: failed{}", image.name, image.error.empty() ? "" : ": " + image.error);
}

std::string verdict(const PrefetchLook& look) {
  assert(!look.result.empty());
  std::string words = counts(look);
  if (words.empty()) words = "no images";
  words += look.bytes_done == 0 ? "; nothing was fetched"
                                : "; " + format_bytes(look.bytes_done) + " fetched";
  if (look.pulls > 0) words += ", " + how_many(look.pulls, "pull");
  if (look.result == "stopped") return "stopped: " + words;
  // The counts already show failed images. A failed run without a failed image needs its reason.
  if (look.result != "failed" || count_of(look, State::kGivenUp) > 0) return words;
  return "failed: " + (look.reason.empty() ? "" : look.reason + "; ") + words;
}

}  // namespace layby::cli
