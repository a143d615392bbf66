// SPDX-License-Identifier: Apache-2.0
//
// Reads JSON from the network with bounds and without exceptions, and accesses its values. Private
// to src/oci: nlohmann's types stay out of public headers.

#ifndef LAYBY_SRC_OCI_JSON_H_
#define LAYBY_SRC_OCI_JSON_H_

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace layby::oci {

// Returns nullopt for text that isn't JSON, and for text with more levels or more values than any
// manifest has. Each level and each value costs up to 100 bytes of memory, so 4 MiB of '[' would
// take 400 MB.
std::optional<nlohmann::json> parse_json(std::string_view text);

// The most items of a list that is a member of the outermost object; an empty list counts as one
// item. Costs no memory, unlike parse_json(). The count is right only for valid JSON.
std::size_t longest_list(std::string_view text);

// The member `key` of an object; nullptr when `object` isn't an object, and when the member is
// missing or null. Null counts as missing, since clients written in Go read null in this way.
const nlohmann::json* member(const nlohmann::json& object, const char* key);

// as_string() returns the value of a string, as_unsigned() the value of a whole number that is not
// negative. Both functions return nullopt for any other value.
std::optional<std::string> as_string(const nlohmann::json& value);
std::optional<std::uint64_t> as_unsigned(const nlohmann::json& value);

}  // namespace layby::oci

#endif  // LAYBY_SRC_OCI_JSON_H_
