// SPDX-License-Identifier: Apache-2.0
//
// Writes docs/stats.md from the same tables of figures and counters as /stats and /metrics.

#include <fmt/format.h>

#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "admin/figures.h"

namespace layby::admin {
namespace {

constexpr const char* kIntroduction = R"(# Stats and metrics

<!-- Printed by `layby status --reference` from src/admin/figures.cpp and
     include/layby/base/counters.h; change it there. -->

`GET /stats` returns one JSON object. `GET /metrics` returns the same figures for Prometheus,
and `layby status` shows them on the terminal. Counts and sums begin at zero when the daemon
starts. For most figures without a gauge, Prometheus gets the counters that the figure is computed
from.
)";

template <typename Of>
void write_figures(std::ostream& out, const std::vector<Figure<Of>>& figures) {
  out << "\n| field | unit | gauge | |\n| --- | --- | --- | --- |\n";
  for (const Figure<Of>& figure : figures) {
    out << "| `" << figure.path << "` | " << figure.unit << " | ";
    if (!figure.gauge.empty()) out << "`layby_" << figure.gauge << "`";
    out << " | " << figure.text << " |\n";
  }
}

void write_title(std::ostream& out, const std::string& title, std::string_view text) {
  out << "\n## " << title << "\n\n" << text << "\n";
}

template <typename Of>
void write_list(std::ostream& out, const StatsPart& part, const std::vector<Figure<Of>>& figures) {
  write_title(out, fmt::format("Each of `{}`", part.name), part.text);
  write_figures(out, figures);
}

}  // namespace

std::string stats_reference() {
  std::ostringstream out;
  out << kIntroduction;
  write_title(out, "The daemon", "The version is the label of `layby_info`.");
  write_figures(out, snapshot_figures());
  write_list(out, kUpstreams, upstream_figures());
  out << "\nEach gauge has the label `upstream`.\n";
  write_list(out, kFills, fill_figures());
  out << "\n`layby_fills_in_flight` is the number of fills.\n";
  write_list(out, kMoves, move_figures());
  write_title(out, fmt::format("`{}`", kNotices.name), kNotices.text);
  write_title(out, fmt::format("`{}`", kCounters.name), kCounters.text);
  out << "In `/metrics` each counter is named `layby_<counter>_total`.\n\n"
      << "| counter | unit | |\n| --- | --- | --- |\n";
  for_each_counter(Counters{},
                   [&](const char* name, const char* unit, const char* text, std::uint64_t) {
                     out << "| `" << name << "` | " << unit << " | " << text << " |\n";
                   });
  return out.str();
}

}  // namespace layby::admin
