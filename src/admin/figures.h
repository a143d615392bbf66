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

// A value of /stats. std::monostate is JSON's null: the value is unknown.
using Value = std::variant<std::monostate, bool, std::uint64_t, double, std::string>;

// A figure of the whole daemon (Snapshot), or of one upstream, fill or move (UpstreamState,
// FillProgress, MoveState).
template <typename Of>
struct Figure {
  std::string_view path;   // "version" or "cache.hits"; never more than one dot.
  std::string_view unit;   // "bytes", "requests"; empty for texts.
  std::string_view gauge;  // "connections" for layby_connections; empty for none.
  std::string_view text;   // One sentence.
  Value (*value)(const Of&);
};

const std::vector<Figure<Snapshot>>& snapshot_figures();
const std::vector<Figure<UpstreamState>>& upstream_figures();
const std::vector<Figure<FillProgress>>& fill_figures();
const std::vector<Figure<MoveState>>& move_figures();

}  // namespace layby::admin

#endif  // LAYBY_SRC_ADMIN_FIGURES_H_
