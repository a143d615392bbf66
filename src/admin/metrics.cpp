// SPDX-License-Identifier: Apache-2.0
//
// Answers GET /metrics in the Prometheus text exposition format 0.0.4. A counter has the name
// layby_<counter>_total. Most figures that are computed from counters have no gauge, because
// Prometheus computes sums and rates itself.

#include <fmt/format.h>

#include <cassert>
#include <sstream>

#include "admin/figures.h"

namespace layby::admin {
namespace {

// Escapes backslash, quote and line feed for a label's value.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    out += c == '\n' ? std::string("\\n") : std::string(1, c);
  }
  return out;
}

std::string number_text(const Value& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "1" : "0";
  if (const auto* whole = std::get_if<std::uint64_t>(&value)) return std::to_string(*whole);
  if (const auto* real = std::get_if<double>(&value)) {
    std::ostringstream text;
    text.imbue(std::locale::classic());
    text << *real;
    return text.str();
  }
  return "";  // An unknown value or a text has no sample.
}

void write_head(std::ostream& out, const std::string& name, std::string_view text,
                const char* type) {
  out << "# HELP " << name << " " << text << "\n# TYPE " << name << " " << type << "\n";
}

void write_sample(std::ostream& out, const std::string& name, const std::string& labels,
                  const Value& value) {
  const std::string number = number_text(value);
  if (!number.empty()) out << name << labels << " " << number << "\n";
}

void write_upstreams(std::ostream& out, const Snapshot& snapshot) {
  for (const Figure<UpstreamState>& figure : upstream_figures()) {
    if (figure.gauge.empty()) continue;
    const std::string name = "layby_" + std::string(figure.gauge);
    write_head(out, name, figure.text, "gauge");
    for (const UpstreamState& upstream : snapshot.upstreams) {
      const std::string labels = fmt::format("{{upstream=\"{}\"}}", escaped(upstream.name));
      write_sample(out, name, labels, figure.value(upstream));
    }
  }
}

}  // namespace

std::string metrics_text(const Snapshot& snapshot) {
  assert(snapshot.counters != nullptr);
  std::ostringstream out;
  out.imbue(std::locale::classic());
  for_each_counter(*snapshot.counters,
                   [&](const char* counter, const char*, const char* text, std::uint64_t value) {
                     const std::string name = fmt::format("layby_{}_total", counter);
                     write_head(out, name, text, "counter");
                     write_sample(out, name, "", value);
                   });
  for (const Figure<Snapshot>& figure : snapshot_figures()) {
    if (figure.gauge.empty()) continue;
    const std::string name = "layby_" + std::string(figure.gauge);
    write_head(out, name, figure.text, "gauge");
    write_sample(out, name, "", figure.value(snapshot));
  }
  write_upstreams(out, snapshot);
  write_head(out, "layby_fills_in_flight", "Blob downloads in flight.", "gauge");
  write_sample(out, "layby_fills_in_flight", "", std::uint64_t{snapshot.fills.size()});
  write_head(out, "layby_info", "The program's version.", "gauge");
  out << "layby_info{version=\"" << escaped(snapshot.version) << "\"} 1\n";
  return out.str();
}

}  // namespace layby::admin
