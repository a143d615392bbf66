// SPDX-License-Identifier: Apache-2.0
//
// toml++ sorts the keys of a table, and knows where each key stands in the file.

#include "engines/toml.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

namespace layby::engines {
namespace {

Json json_of(const toml::node& node);

Json json_of_table(const toml::table& table) {
  using Member = std::pair<toml::source_position, std::pair<std::string, const toml::node*>>;
  std::vector<Member> members;
  for (const auto& [key, node] : table) {
    members.push_back({key.source().begin, {std::string(key.str()), &node}});
  }
  std::sort(members.begin(), members.end(), [](const Member& a, const Member& b) {
    return std::tie(a.first.line, a.first.column) < std::tie(b.first.line, b.first.column);
  });
  Json object = Json::object();
  for (const auto& [position, member] : members) object[member.first] = json_of(*member.second);
  return object;
}

Json json_of(const toml::node& node) {
  if (const auto* table = node.as_table()) return json_of_table(*table);
  if (const auto* array = node.as_array()) {
    Json list = Json::array();
    for (const toml::node& element : *array) list.push_back(json_of(element));
    return list;
  }
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* flag = node.as_boolean()) return flag->get();
  if (const auto* number = node.as_integer()) return number->get();
  if (const auto* number = node.as_floating_point()) return number->get();
  return nullptr;
}

}  // namespace

Result<Json> parse_toml(std::string_view text, const std::string& file) {
  const toml::parse_result parsed = toml::parse(text);
  if (parsed.succeeded()) return json_of_table(parsed.table());
  const toml::parse_error& error = parsed.error();
  return Error{ErrorCode::kInvalid, fmt::format("{} line {}: {}", file, error.source().begin.line,
                                                std::string(error.description()))};
}

}  // namespace layby::engines
