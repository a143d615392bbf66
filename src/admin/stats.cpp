// SPDX-License-Identifier: Apache-2.0
//
// Answers GET /stats with one JSON object: the figures, then every counter by its name.

#include <cassert>
#include <nlohmann/json.hpp>

#include "admin/figures.h"

namespace layby::admin {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const Value& value) {
  return std::visit(
      [](const auto& v) -> Json {
        if constexpr (std::is_same_v<std::decay_t<decltype(v)>, std::monostate>) {
          return nullptr;
        } else {
          return v;
        }
      },
      value);
}

template <typename Of>
Json object_of(const std::vector<Figure<Of>>& figures, const Of& source) {
  Json object = Json::object();
  for (const Figure<Of>& figure : figures) {
    const std::size_t dot = figure.path.find('.');
    const std::string name(figure.path.substr(dot == std::string_view::npos ? 0 : dot + 1));
    assert(name.find('.') == std::string::npos);
    Json& parent =
        dot == std::string_view::npos ? object : object[std::string(figure.path.substr(0, dot))];
    parent[name] = to_json(figure.value(source));
  }
  return object;
}

template <typename Of>
Json list_of(const std::vector<Figure<Of>>& figures, const std::vector<Of>& sources) {
  Json list = Json::array();
  for (const Of& source : sources) list.push_back(object_of(figures, source));
  return list;
}

}  // namespace

std::string stats_json(const Snapshot& snapshot) {
  assert(snapshot.counters != nullptr);
  Json root = object_of(snapshot_figures(), snapshot);
  root[kUpstreams.name] = list_of(upstream_figures(), snapshot.upstreams);
  root[kFills.name] = list_of(fill_figures(), snapshot.fills);
  std::vector<SeenMove> moves;
  for (const cache::TagMove& move : snapshot.moves) moves.push_back({move, snapshot.now});
  root[kMoves.name] = list_of(move_figures(), moves);
  root[kNotices.name] = snapshot.notices;
  Json& counters = root[kCounters.name] = Json::object();
  for_each_counter(*snapshot.counters, [&](const char* name, const char*, const char*,
                                           std::uint64_t value) { counters[name] = value; });
  // With `replace`, a text from outside that isn't UTF-8 can't make the whole page fail.
  return root.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace layby::admin
