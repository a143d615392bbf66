// SPDX-License-Identifier: Apache-2.0
//
// The page has a row for each image, sorted by name, then one line of totals, then the pinned
// images that wait for their first pull.

#include "cli/image_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <optional>
#include <vector>

#include "cli/answer.h"
#include "cli/table.h"
#include "layby/base/bytes.h"
#include "layby/base/log.h"
#include "layby/policy/repository_filter.h"

namespace layby::cli {
namespace {

constexpr const char* kHowImagesCome =
    "No images are cached yet. The first pull through Layby caches an image: set Layby as\n"
    "the registry mirror of a machine, then run for instance `docker pull debian:12` there.\n";

std::string age_or(const Json& image, const std::string& path, const std::string& unknown) {
  const std::optional<std::uint64_t> seconds = known_number(image, path);
  return seconds ? age(*seconds) : unknown;
}

// "amd64, arm64/v8, windows/amd64": "linux/" is left out.
std::string platforms(const Json& image) {
  constexpr std::string_view kLinux = "linux/";
  std::string names;
  for (const Json& platform : list(image, "/platforms")) {
    std::string name = text(platform, "/platform");
    if (name.starts_with(kLinux)) name.erase(0, kLinux.size());
    names += (names.empty() ? "" : ", ") + name;
  }
  return names.empty() ? "-" : names;
}

// "75% cached"; empty for a whole image. Rounded down, so that only a whole image appears whole.
std::string cached_part(const Json& image) {
  const std::uint64_t missing = number(image, "/missing_bytes");
  const std::uint64_t stored = number(image, "/bytes");
  if (missing == 0) return "";
  const int cached = std::min(99, static_cast<int>(100 * share_of(stored, stored + missing)));
  return std::to_string(cached) + "% cached";
}

std::string notes(const Json& image) {
  std::string notes;
  for (const std::string& note :
       {std::string(flag(image, "/pinned") ? "pinned" : ""),
        std::string(flag(image, "/listed") ? "listed" : ""), cached_part(image)}) {
    if (!note.empty()) notes += (notes.empty() ? "" : ", ") + note;
  }
  return notes;
}

Row row_of(const Json& image) {
  return {text(image, "/image"),
          platforms(image),
          bytes(image, "/bytes"),
          bytes(image, "/shared_bytes"),
          age_or(image, "/used_seconds", "never"),
          age_or(image, "/checked_seconds", "-"),
          notes(image)};
}

bool matches(std::string_view pattern, const std::string& name) {
  if (pattern.find('*') != std::string_view::npos) return policy::matches_pattern(pattern, name);
  return name.find(pattern) != std::string::npos;
}

std::string image_table(std::vector<Row> rows, const Screen& screen) {
  constexpr std::size_t kLeastName = 20;
  constexpr std::size_t kLeastPlatforms = 9;
  std::sort(rows.begin(), rows.end());
  return table({{.heading = "IMAGE", .least = kLeastName},
                {.heading = "PLATFORMS", .least = kLeastPlatforms, .is_optional = true},
                {.heading = "SIZE", .is_number = true},
                {.heading = "SHARED", .is_number = true, .is_optional = true},
                {.heading = "USED", .is_number = true, .is_optional = true},
                {.heading = "CHECKED", .is_number = true, .is_optional = true},
                {.heading = "NOTES"}},
               std::move(rows), screen);
}

// The totals count all images, even if a pattern limits the rows, because images share layers.
// `listed` is the number of rows.
std::string totals(const Json& answer, std::size_t listed) {
  const Json& images = list(answer, "/images");
  assert(listed <= images.size());
  const std::uint64_t stored = number(answer, "/blob_bytes");
  const std::uint64_t untagged = number(answer, "/untagged_bytes");
  std::uint64_t counted_apart = 0;
  for (const Json& image : images) counted_apart += number(image, "/bytes");
  const std::uint64_t tagged = stored - std::min(stored, untagged);
  std::string line = listed == images.size() ? "" : std::to_string(listed) + " of ";
  line += fmt::format("{}, {} stored", how_many(images.size(), "image"), format_bytes(stored));
  if (listed < images.size()) line += " in all";
  if (counted_apart > tagged) {
    line += fmt::format(", shared layers counted once (saves {})",
                        format_bytes(counted_apart - tagged));
  }
  if (untagged > 0) line += "; untagged " + format_bytes(untagged);
  return line + "\n";
}

std::string waiting_pins(const Json& answer, std::string_view pattern) {
  std::vector<std::string> names;
  for (const Json& pin : list(answer, "/pins")) {
    const std::string name = text(pin, "/image");
    if (!flag(pin, "/cached") && matches(pattern, name)) names.push_back(name);
  }
  if (names.empty()) return "";
  std::sort(names.begin(), names.end());
  std::string lines = "\nPinned, not cached yet:\n";
  for (const std::string& name : names) lines += fmt::format("  {}\n", name);
  return lines;
}

}  // namespace

Result<std::string> image_list(std::string_view images, std::string_view pattern,
                               const Screen& screen) {
  const Result<Json> answer = parse_answer(images);
  if (!answer) return answer.error();
  std::vector<Row> rows;
  for (const Json& image : list(*answer, "/images")) {
    Row row = row_of(image);
    if (matches(pattern, row.front())) rows.push_back(std::move(row));
  }
  const std::size_t listed = rows.size();
  std::string page;
  if (listed > 0) {
    page = fmt::format("{}\n{}", image_table(std::move(rows), screen), totals(*answer, listed));
  } else if (list(*answer, "/images").empty()) {
    page = kHowImagesCome;
  } else {
    page = fmt::format("No cached image matches \"{}\".\n", log::printable(pattern));
  }
  return page + waiting_pins(*answer, pattern);
}

}  // namespace layby::cli
