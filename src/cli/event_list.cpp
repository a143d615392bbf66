// SPDX-License-Identifier: Apache-2.0
//
// Makes a row for each event. The newest event comes last, next to the prompt.

#include "cli/event_list.h"

#include <array>
#include <cstdint>
#include <ctime>
#include <optional>
#include <utility>
#include <vector>

#include "cli/answer.h"
#include "cli/table.h"

namespace layby::cli {
namespace {

// "2026-11-29 11:34:05", in this machine's time zone.
std::string local_time(const Json& event) {
  const std::optional<std::uint64_t> at_ms = known_number(event, "/at_ms");
  if (!at_ms) return "-";
  const auto seconds = static_cast<std::time_t>(*at_ms / 1'000);
  std::tm parts{};
  std::array<char, 32> text{};
  if (::localtime_r(&seconds, &parts) == nullptr) return "-";
  if (std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &parts) == 0) return "-";
  return text.data();
}

}  // namespace

Result<std::string> event_list(std::string_view events, const Screen& screen) {
  constexpr std::size_t kLeastText = 20;
  const Result<Json> answer = parse_answer(events);
  if (!answer) return answer.error();
  std::vector<Row> rows;
  for (const Json& event : list(*answer, "/events")) {
    rows.push_back({local_time(event), text(event, "/kind"), sentence(event, "/text")});
  }
  if (rows.empty()) return std::string("No events are recorded yet.\n");
  return table({{.heading = "TIME"},
                {.heading = "KIND", .is_optional = true},
                {.heading = "TEXT", .least = kLeastText}},
               std::move(rows), screen);
}

}  // namespace layby::cli
