// SPDX-License-Identifier: Apache-2.0
//
// The page has a table in the order of the list, then the images that can't be fetched with the
// reasons, then the platforms that are fetched in place of others, then the sums as sentences.

#include "cli/prefetch_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "cli/answer.h"
#include "cli/table.h"
#include "layby/base/bytes.h"

namespace layby::cli {
namespace {

bool has_failed(const Json& image) { return text(image, "/state") == "failed"; }

// Whether the size to fetch is exact. The size is exact if the image is current or failed, or if
// the image's manifests are in the cache.
bool is_sure(const Json& image) {
  if (has_failed(image) || text(image, "/state") == "current") return true;
  return known_number(image, "/bytes").has_value() && !flag(image, "/estimated");
}

std::string to_fetch(const Json& image) {
  const std::optional<std::uint64_t> bytes = known_number(image, "/bytes");
  if (!bytes) return is_sure(image) ? "-" : "?";
  if (*bytes == 0) return "-";
  return (flag(image, "/estimated") ? "~ " : "") + format_bytes(*bytes);
}

std::string image_table(const Json& images, const Screen& screen) {
  constexpr std::size_t kLeastName = 20;
  std::vector<Row> rows;
  for (const Json& image : images) {
    rows.push_back(
        {text(image, "/image"), text(image, "/state"), count(image, "/pulls"), to_fetch(image)});
  }
  return table({{.heading = "IMAGE", .least = kLeastName},
                {.heading = "STATE"},
                {.heading = "PULLS", .is_number = true},
                {.heading = "TO FETCH", .is_number = true}},
               std::move(rows), screen) +
         "\n";
}

std::string failures(const Json& images) {
  std::string lines;
  for (const Json& image : images) {
    if (!has_failed(image)) continue;
    const std::string error = sentence(image, "/error");
    lines += fmt::format("{} failed{}\n", text(image, "/image"), error.empty() ? "" : ": " + error);
  }
  return lines;
}

std::string substitutes(const Json& images) {
  std::string lines;
  for (const Json& image : images) {
    for (const Json& substitute : list(image, "/substitutes")) {
      lines += fmt::format("{} has no {}; its clients choose {}, which is fetched\n",
                           text(image, "/image"), text(substitute, "/wanted"),
                           text(substitute, "/taken"));
    }
  }
  return lines;
}

std::string troubles(const Json& plan) {
  std::string lines;
  for (const Json& trouble : list(plan, "/troubles")) lines += sentence(trouble, "") + "\n";
  return lines;
}

std::string sums(const Json& plan) {
  const Json& images = list(plan, "/images");
  const std::uint64_t unknown = number(plan, "/unknown_images");
  const bool estimated = std::any_of(images.begin(), images.end(),
                                     [](const Json& image) { return flag(image, "/estimated"); });
  std::string line = fmt::format("{}, {}, ", how_many(images.size(), "image"),
                                 how_many(number(plan, "/pulls"), "pull"));
  if (unknown > 0) {
    line += "at least ";
  } else if (estimated) {
    line += "about ";
  }
  line += bytes(plan, "/bytes") + " to fetch";
  if (unknown > 0) line += "; the size of " + how_many(unknown, "image") + " is not known yet";
  return line + "\n";
}

std::string fit(const Json& plan) {
  if (!at(plan, "/fits").is_boolean()) return "";
  const std::string takes =
      fmt::format("The whole list takes {} of the cache's {}: ", bytes(plan, "/list_bytes"),
                  bytes(plan, "/capacity_bytes"));
  if (!flag(plan, "/fits")) {
    return takes + "it does not fit. Shorten it, or give the cache more room (cache.max_bytes).\n";
  }
  const Json& images = list(plan, "/images");
  const bool unknown =
      number(plan, "/unknown_images") > 0 || std::any_of(images.begin(), images.end(), has_failed);
  return takes + (unknown ? "the sizes known so far fit.\n" : "it fits.\n");
}

// "76 are left, 20 of them kept for people"
std::string left(const Json& quota) {
  const std::optional<std::uint64_t> remaining = known_number(quota, "/remaining");
  if (!remaining) return "the number left is not known";
  const std::uint64_t reserve = number(quota, "/reserve");
  std::string words = fmt::format("{}{} left", *remaining, *remaining == 1 ? " is" : " are");
  if (reserve == 0 || *remaining == 0) return words;
  if (reserve >= *remaining) return words + " and kept for people";
  return fmt::format("{}, {} of them kept for people", words, reserve);
}

std::string quota_sentence(const Json& quota) {
  const std::string name = text(quota, "/upstream");
  const std::optional<std::uint64_t> limit = known_number(quota, "/limit");
  if (!limit) return name + " states no pull limit.\n";
  const std::uint64_t window = number(quota, "/window_seconds");
  std::string words = fmt::format("{} allows {}", name, how_many(*limit, "pull"));
  if (window > 0) words += " in " + spelled_duration(window);
  words += "; " + left(quota) + ": ";
  if (flag(quota, "/suffices")) return words + "that is enough.\n";
  const std::uint64_t needed = number(quota, "/seconds_needed");
  if (needed == 0) return words + "that is not enough.\n";
  return fmt::format("{}it takes about {}.\n", words, spelled_duration(needed));
}

std::string hint_of_sizes(const Json& plan) {
  std::uint64_t unsure = 0;
  std::uint64_t pulls = 0;
  for (const Json& image : list(plan, "/images")) {
    if (is_sure(image)) continue;
    ++unsure;
    pulls += number(image, "/pulls");
  }
  if (unsure == 0) return "";
  return fmt::format(
      "\n`layby prefetch --plan --sizes` fetches the manifests ({}) to learn all sizes.\n",
      how_many(pulls, "pull"));
}

std::string page_of(const Json& plan, bool with_sizes, const Screen& screen) {
  const Json& images = list(plan, "/images");
  if (images.empty()) return "The list names no images.\n" + troubles(plan);
  std::string page = image_table(images, screen);
  const std::string notes = failures(images) + substitutes(images) + troubles(plan);
  if (!notes.empty()) page += notes + "\n";
  page += sums(plan) + fit(plan);
  for (const Json& quota : list(plan, "/quotas")) page += quota_sentence(quota);
  return with_sizes ? page : page + hint_of_sizes(plan);
}

}  // namespace

Result<PrefetchPlan> prefetch_plan(const std::string& plan, bool with_sizes, const Screen& screen) {
  const Result<Json> answer = parse_answer(plan);
  if (!answer) return answer.error();
  if (!at(*answer, "/images").is_array()) {
    return Error{ErrorCode::kInvalid,
                 "the daemon's /prefetch/plan has no images; is the daemon of another version?"};
  }
  const Json& images = list(*answer, "/images");
  return PrefetchPlan{page_of(*answer, with_sizes, screen),
                      std::none_of(images.begin(), images.end(), has_failed)};
}

}  // namespace layby::cli
