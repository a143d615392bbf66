// SPDX-License-Identifier: Apache-2.0
//
// Reads and writes tag lists. The reader returns the valid tags and skips all other entries.

#include "layby/oci/tag_list.h"

#include <utility>

#include "layby/oci/reference.h"
#include "oci/json.h"

namespace layby::oci {

Result<std::vector<std::string>> parse_tag_list(std::string_view json) {
  const auto list = parse_json(json);
  if (!list || !list->is_object()) {
    return Error{ErrorCode::kCorrupt, "tag list: not a JSON object"};
  }
  std::vector<std::string> tags;
  const nlohmann::json* field = member(*list, "tags");
  if (field == nullptr) return tags;
  if (!field->is_array()) return Error{ErrorCode::kCorrupt, "tag list: \"tags\" is not an array"};
  for (const nlohmann::json& entry : *field) {
    auto tag = as_string(entry);
    if (tag && is_tag(*tag)) tags.push_back(*std::move(tag));
  }
  return tags;
}

std::string tag_list_body(std::string_view repository, const std::vector<std::string>& tags) {
  nlohmann::ordered_json body;
  body["name"] = repository;
  body["tags"] = tags;
  return body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace layby::oci
