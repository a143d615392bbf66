// SPDX-License-Identifier: Apache-2.0
//
// If-None-Match and If-Range (RFC 9110 sections 13.1.2 and 13.1.5). An unreadable tag never
// matches: the body is then sent again, and the client never keeps a wrong body.

#include "layby/http/conditional.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <optional>

#include "layby/http/headers.h"

namespace layby::http {
namespace {

// The characters between the quotes of `etag`. A W/ before the quotes is removed too.
std::string_view opaque_part(std::string_view etag) {
  if (etag.starts_with("W/")) etag.remove_prefix(2);
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') {
    return etag.substr(1, etag.size() - 2);
  }
  return etag;
}

// Removes the next member from `list` and returns the member without its quotes; nullopt at the end
// or if the closing quote is missing. A comma inside the quotes belongs to the tag.
std::optional<std::string_view> take_tag(std::string_view& list) {
  list.remove_prefix(std::min(list.find_first_not_of(" \t,"), list.size()));
  if (list.empty()) return std::nullopt;
  const std::size_t quote = list.starts_with("W/\"") ? 2 : 0;
  if (list[quote] != '"') {
    const std::size_t end = std::min(list.find(','), list.size());
    assert(end > 0);  // Each call must shorten the list.
    const std::string_view bare = trim(list.substr(0, end));
    list.remove_prefix(end);
    return bare;
  }
  const std::size_t end = list.find('"', quote + 1);
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view tag = list.substr(quote + 1, end - quote - 1);
  list.remove_prefix(end + 1);
  return tag;
}

}  // namespace

bool none_match_hits(std::string_view value, std::string_view etag) {
  const std::string_view wanted = opaque_part(etag);
  std::string_view list = trim(value);
  if (list == "*") return true;
  while (const std::optional<std::string_view> tag = take_tag(list)) {
    if (*tag == wanted) return true;
  }
  return false;
}

bool if_range_holds(std::string_view value, std::string_view etag) {
  return etag.starts_with('"') && trim(value) == etag;
}

}  // namespace layby::http
