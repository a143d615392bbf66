// SPDX-License-Identifier: Apache-2.0
//
// Scans the raw text for its depth and number of values, then runs nlohmann's parser with
// exceptions off. The scan needs to be right only for valid JSON, since the parser refuses invalid
// text.

#include "oci/json.h"

#include <algorithm>
#include <cstddef>

namespace layby::oci {
namespace {

// The deepest member of a manifest, manifests[i].platform["os.features"][j], has depth 5.
// Annotations and artifact configs stay far below 32 too.
constexpr int kMaxDepth = 32;

// A manifest of 4 MiB full of descriptors has about kMaxValues / 2 values. Without this bound, 4
// MiB of "{},{},{}" would take 140 MB.
constexpr int kMaxValues = 1 << 18;

// The index of the quote that ends the string whose content begins at `at`.
std::size_t end_of_string(std::string_view text, std::size_t at) {
  while (at < text.size() && text[at] != '"') at += text[at] == '\\' ? 2 : 1;
  return at;
}

// Every item of a list and every member of an object follows one of these characters.
bool begins_value(char c) { return c == ',' || c == '[' || c == '{'; }

bool is_modest(std::string_view text) {
  int depth = 0;
  int values = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') i = end_of_string(text, i + 1);
    if (c == '[' || c == '{') ++depth;
    if (c == ']' || c == '}') --depth;
    if (begins_value(c)) ++values;
    if (depth > kMaxDepth || values > kMaxValues) return false;
  }
  return true;
}

}  // namespace

std::size_t longest_list(std::string_view text) {
  int depth = 0;
  bool in_list = false;
  std::size_t items = 0;
  std::size_t most = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') i = end_of_string(text, i + 1);
    if (c == ']' || c == '}') --depth;
    if ((c == '[' || c == '{') && ++depth == 2) {
      in_list = c == '[';
      items = 1;
    }
    if (c == ',' && depth == 2 && in_list) ++items;
    most = std::max(most, items);
  }
  return most;
}

std::optional<nlohmann::json> parse_json(std::string_view text) {
  if (!is_modest(text)) return std::nullopt;
  nlohmann::json value = nlohmann::json::parse(text.begin(), text.end(), nullptr, false);
  if (value.is_discarded()) return std::nullopt;
  return value;
}

const nlohmann::json* member(const nlohmann::json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

std::optional<std::string> as_string(const nlohmann::json& value) {
  const auto* text = value.get_ptr<const nlohmann::json::string_t*>();
  if (text == nullptr) return std::nullopt;
  return *text;
}

std::optional<std::uint64_t> as_unsigned(const nlohmann::json& value) {
  const auto* number = value.get_ptr<const nlohmann::json::number_unsigned_t*>();
  if (number == nullptr) return std::nullopt;
  return *number;
}

}  // namespace layby::oci
