// SPDX-License-Identifier: Apache-2.0
//
// Header fields in the order in which they came (RFC 9110 section 5). Names compare
// without case. Few fields, so a vector beats a map.

#ifndef LAYBY_HTTP_HEADERS_H_
#define LAYBY_HTTP_HEADERS_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace layby::http {

struct Header {
  std::string name;
  std::string value;
};

class Headers {
 public:
  void add(std::string_view name, std::string_view value);

  // The first value; nullopt if there is none.
  std::optional<std::string_view> get(std::string_view name) const;

  // All values of a list field in one, joined by ", " (RFC 9110 section 5.3).
  std::string joined(std::string_view name) const;

  std::size_t count(std::string_view name) const;
  const std::vector<Header>& all() const { return fields_; }
  void clear() { fields_.clear(); }

 private:
  std::vector<Header> fields_;
};

bool equals_ignoring_case(std::string_view a, std::string_view b);

// Without leading and trailing spaces and tabs.
std::string_view trim(std::string_view text);

// Whether list field `value` holds `token`, without case ("Connection: close").
bool list_has_token(std::string_view value, std::string_view token);

}  // namespace layby::http

#endif  // LAYBY_HTTP_HEADERS_H_
