// SPDX-License-Identifier: Apache-2.0
//
// docs/stats.md, from the same declarations that /stats and /metrics come from.

#include <sstream>

#include "admin/figures.h"

namespace layby::admin {
namespace {

constexpr const char* kIntroduction = R"(# Stats and metrics

<!-- Printed by `layby status --reference` from src/admin/figures.cpp and
     include/layby/base/counters.h; change it there. -->

`GET /stats` returns one JSON object. `GET /metrics` returns the same figures for Prometheus,
and `layby status` shows them on the terminal. Counts and sums begin at zero when the daemon
starts. For most figures without a gauge, Prometheus gets the counters that the figure is computed
from. The field `notices` lists the lines of the file that `layby serve --notices` names: things
on the box that need attention.
)";

template <typename Of>
void write_figures(std::ostream& out, const char* title, const std::vector<Figure<Of>>& figures) {
  out << "\n## " << title << "\n\n| field | unit | gauge | |\n| --- | --- | --- | --- |\n";
  for (const Figure<Of>& figure : figures) {
    out << "| `" << figure.path << "` | " << figure.unit << " | ";
    if (!figure.gauge.empty()) out << "`layby_" << figure.gauge << "`";
    out << " | " << figure.text << " |\n";
  }
}

}  // namespace

std::string stats_reference() {
  std::ostringstream out;
  out << kIntroduction;
  write_figures(out, "The daemon", snapshot_figures());
  write_figures(out, "Each of `upstreams` (label `upstream`)", upstream_figures());
  write_figures(out, "Each of `fills`: downloads in flight", fill_figures());
  out << "\n`layby_fills_in_flight` is the number of fills. `layby_info` has the version as a "
         "label.\n"
      << "\n## `counters`\n\nIn `/metrics` each counter is named `layby_<counter>_total`.\n\n"
      << "| counter | unit | |\n| --- | --- | --- |\n";
  for_each_counter(Counters{},
                   [&](const char* name, const char* unit, const char* text, std::uint64_t) {
                     out << "| `" << name << "` | " << unit << " | " << text << " |\n";
                   });
  return out.str();
}

}  // namespace layby::admin
