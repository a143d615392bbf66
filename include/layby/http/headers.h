// SPDX-License-Identifier: Apache-2.0
//
// Header fields in the order of their arrival (RFC 9110 section 5). Upper and lower case make no
// difference in names. A request or an answer has few header fields, so a linear search is faster
// than a map, and one text for all fields is faster than two strings for each field.

#ifndef LAYBY_HTTP_HEADERS_H_
#define LAYBY_HTTP_HEADERS_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace layby::http {

// A view of one field, valid until the Headers change.
struct Header {
  std::string_view name;
  std::string_view value;
};

class Headers {
 public:
  void add(std::string_view name, std::string_view value);
  // The value is the concatenation of `pieces`.
  void add(std::string_view name, std::initializer_list<std::string_view> pieces);

  // The first value of `name`; nullopt if the field is missing.
  std::optional<std::string_view> get(std::string_view name) const;

  // All values of a list field, joined by ", " (RFC 9110 section 5.3).
  std::string joined(std::string_view name) const;

  std::size_t count(std::string_view name) const;
  std::size_t size() const { return fields_.size(); }
  // Whether any name or value has a line break.
  bool has_line_break() const {
    return text_.find('\n') != std::string::npos || text_.find('\r') != std::string::npos;
  }
  // The field at `index`, below size(), in the order of arrival.
  Header operator[](std::size_t index) const { return at(fields_[index]); }
  void clear();

 private:
  struct Field {
    std::uint32_t begin_bytes;  // The offset of the name in text_; the value follows the name.
    std::uint32_t name_bytes;
    std::uint32_t value_bytes;
  };
  void begin(std::string_view name);  // The caller then appends the value to text_.
  Header at(const Field& field) const {
    const char* name = text_.data() + field.begin_bytes;
    return {{name, field.name_bytes}, {name + field.name_bytes, field.value_bytes}};
  }

  std::string text_;
  std::vector<Field> fields_;
};

bool equals_ignoring_case(std::string_view a, std::string_view b);

// `text` without leading and trailing spaces and tabs.
std::string_view trim(std::string_view text);

// Whether the list in `value` has the member `token`, ignoring case ("Connection: close").
bool list_has_token(std::string_view value, std::string_view token);

}  // namespace layby::http

#endif  // LAYBY_HTTP_HEADERS_H_
