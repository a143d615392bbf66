// SPDX-License-Identifier: Apache-2.0
//
// The table of the figures in /stats. Each figure is declared once: its path, its unit, its
// gauge in /metrics, its sentence and the function that computes it. The counters have their
// own table in layby/base/counters.h.

#ifndef LAYBY_SRC_ADMIN_FIGURES_H_
#define LAYBY_SRC_ADMIN_FIGURES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "layby/admin/snapshot.h"

namespace layby::admin {

// A value of /stats. std::monostate stands for an unknown value, null in JSON.
using Value = std::variant<std::monostate, bool, std::uint64_t, double, std::string>;

// A move, and the time at which its age is computed.
struct SeenMove {
  const cache::TagMove& move;
  WallTime now;
};

// A figure of the whole daemon (Snapshot), or of one upstream, fill or move.
template <typename Of>
struct Figure {
  std::string_view path;   // "version" or "cache.hits"; at most one dot.
  std::string_view unit;   // "bytes", "requests"; empty for texts.
  std::string_view gauge;  // "connections" for layby_connections; empty for none.
  std::string_view text;   // One sentence.
  Value (*value)(const Of&);
};

const std::vector<Figure<Snapshot>>& snapshot_figures();
const std::vector<Figure<UpstreamState>>& upstream_figures();
const std::vector<Figure<cache::FillStatus>>& fill_figures();
const std::vector<Figure<SeenMove>>& move_figures();

// What /stats has besides figures: the lists of objects, the notices and the counters.
struct StatsPart {
  std::string_view name;  // "fills"
  std::string_view text;  // One sentence.
};
inline constexpr StatsPart kUpstreams{"upstreams", "The upstreams of the configuration."};
inline constexpr StatsPart kFills{"fills", "Downloads in flight."};
inline constexpr StatsPart kMoves{
    "moves", "Tags that were found to point to another image than before; oldest first."};
inline constexpr StatsPart kNotices{
    "notices",
    "Things on the box that need attention: the lines of the file that `layby serve --notices` "
    "names, and faults of a changed configuration."};
inline constexpr StatsPart kCounters{"counters", "Every counter by its name."};

}  // namespace layby::admin

#endif  // LAYBY_SRC_ADMIN_FIGURES_H_
