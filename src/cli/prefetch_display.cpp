// SPDX-License-Identifier: Apache-2.0
//
// The lines don't jump: images have the order of the list, and the width of the name column comes
// from the longest name in the list. On a small screen, failed images are left out first, then
// images at work, then the sums from top to bottom. So the reason for a wait, in the bottom line,
// is left out last. Invariant: one row of the screen stays free for the cursor.

#include "cli/prefetch_display.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cstddef>

#include "cli/answer.h"
#include "cli/prefetch_words.h"
#include "cli/table.h"
#include "layby/base/bytes.h"

namespace layby::cli {
namespace {

using State = PrefetchImage::State;

constexpr int kLeastForBars = 60;

std::string padded(std::string text, std::size_t width) {
  text.resize(std::max(text.size(), width), ' ');
  return text;
}

// The widths of an image's line.
struct Columns {
  std::size_t name = 0;
  int bar = 0;  // 0 for no bar.
};

Columns columns_for(const PrefetchLook& look, int screen_columns) {
  constexpr std::size_t kLeastName = 8;
  Columns columns;
  for (const PrefetchImage& image : look.images) {
    columns.name = std::max(columns.name, image.name.size());
  }
  const auto share = static_cast<std::size_t>(std::max(screen_columns, 1)) / 3;
  columns.name = std::min(columns.name, std::max(share, kLeastName));
  if (screen_columns >= kLeastForBars) columns.bar = std::clamp(screen_columns / 5, 10, 24);
  return columns;
}

std::string line_of(const PrefetchImage& image, const Columns& columns) {
  constexpr std::size_t kAmount = 18;  // "45.2 MB of 1.2 GB" and a free column.
  const std::string name = padded(cut_middle(image.name, columns.name), columns.name) + "  ";
  if (image.state == State::kGivenUp) {
    return fmt::format("{}failed{}", name, image.error.empty() ? "" : ": " + image.error);
  }
  const std::uint64_t whole = std::max(image.bytes_total, image.bytes_done);
  if (whole == 0) return name + image.doing;
  const std::string drawn =
      columns.bar > 0 ? bar(share_of(image.bytes_done, whole), columns.bar) + "  " : "";
  const std::string amount =
      fmt::format("{} of {}", format_bytes(image.bytes_done), format_bytes(whole));
  return fmt::format("{}{}{}  {}", name, drawn, padded(amount, kAmount), image.doing);
}

std::string total_line(const PrefetchLook& look, std::optional<std::uint64_t> rate, int columns) {
  std::string words = total(look, rate);
  if (!look.bytes_known || look.bytes_total == 0 || columns < kLeastForBars) return words;
  return fmt::format(
      "{} {}", bar(share_of(look.bytes_done, look.bytes_total), std::clamp(columns / 4, 10, 30)),
      words);
}

// The images that get a line (at work or failed), at most `room`.
std::vector<const PrefetchImage*> shown(const PrefetchLook& look, std::size_t room) {
  std::size_t at_work = std::min<std::size_t>(room, count_of(look, State::kAtWork));
  std::size_t failed = room - at_work;
  std::vector<const PrefetchImage*> images;
  for (const PrefetchImage& image : look.images) {
    if (image.state != State::kAtWork && image.state != State::kGivenUp) continue;
    std::size_t& left = image.state == State::kAtWork ? at_work : failed;
    if (left == 0) continue;
    --left;
    images.push_back(&image);
  }
  assert(images.size() <= room);
  return images;
}

// The lines below the images, at most `room`.
std::vector<std::string> sums(const PrefetchLook& look, std::string total, std::size_t room) {
  std::vector<std::string> lines{counts(look), std::move(total), why_it_waits(look)};
  std::erase(lines, "");
  if (lines.size() > room) {
    lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(room));
  }
  assert(lines.size() <= room);
  return lines;
}

}  // namespace

std::vector<std::string> PrefetchDisplay::lines(const PrefetchLook& look,
                                                std::chrono::milliseconds elapsed,
                                                const Screen& screen) {
  rate_.take(look.bytes_done, elapsed);
  const auto rows = static_cast<std::size_t>(std::max(screen.rows - 1, 1));
  const std::vector<std::string> below =
      sums(look, total_line(look, rate_.per_second(), screen.columns), rows);
  const Columns columns = columns_for(look, screen.columns);
  std::vector<std::string> lines;
  for (const PrefetchImage* image : shown(look, rows - below.size())) {
    lines.push_back(line_of(*image, columns));
  }
  lines.insert(lines.end(), below.begin(), below.end());
  assert(lines.size() <= rows);
  // The last column stays free, because some terminals wrap when the last column is written.
  const auto width = static_cast<std::size_t>(std::max(screen.columns - 1, 1));
  for (std::string& line : lines) line.resize(std::min(line.size(), width));
  return lines;
}

}  // namespace layby::cli
