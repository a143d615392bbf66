// SPDX-License-Identifier: Apache-2.0
//
// The table of figures in /stats, each declared once: where it stands, its unit, its
// sentence, its gauge in /metrics and how it comes from a Snapshot. The counters have
// their own table in layby/base/counters.h.

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

// A value of /stats; std::monostate is null: not known.
using Value = std::variant<std::monostate, bool, std::uint64_t, double, std::string>;

// A figure of a whole (Snapshot) or of one of many (UpstreamState, FillProgress,
// MoveState).
template <typename Of>
struct Figure {
  std::string_view path;   // "cache.hits": an object's member; no deeper than that.
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
