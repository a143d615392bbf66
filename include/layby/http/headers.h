// SPDX-License-Identifier: Apache-2.0
//
// Header fields in the order in which they came (RFC 9110 section 5). Names compare
// without case. Few fields, so looking through them beats a map, and one text for all of
// them beats two strings each.

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

// Valid until its Headers change.
struct Header {
  std::string_view name;
  std::string_view value;
};

class Headers {
 public:
  void add(std::string_view name, std::string_view value);
  // The value is these pieces, one behind the other.
  void add(std::string_view name, std::initializer_list<std::string_view> pieces);

  // The first value; nullopt if there is none.
  std::optional<std::string_view> get(std::string_view name) const;

  // All values of a list field in one, joined by ", " (RFC 9110 section 5.3).
  std::string joined(std::string_view name) const;

  std::size_t count(std::string_view name) const;
  std::size_t size() const { return fields_.size(); }
  // In any of them.
  bool has_line_break() const {
    return text_.find('\n') != std::string::npos || text_.find('\r') != std::string::npos;
  }
  // The field that came as number `index`, from 0.
  Header operator[](std::size_t index) const { return at(fields_[index]); }
  void clear();

 private:
  struct Field {
    std::uint32_t begin_bytes;  // Of the name in text_; the value follows it.
    std::uint32_t name_bytes;
    std::uint32_t value_bytes;
  };
  void begin(std::string_view name);  // Its value is what is appended to text_.
  Header at(const Field& field) const {
    const char* name = text_.data() + field.begin_bytes;
    return {{name, field.name_bytes}, {name + field.name_bytes, field.value_bytes}};
  }

  std::string text_;
  std::vector<Field> fields_;
};

bool equals_ignoring_case(std::string_view a, std::string_view b);

// Without leading and trailing spaces and tabs.
std::string_view trim(std::string_view text);

// Whether list field `value` holds `token`, without case ("Connection: close").
bool list_has_token(std::string_view value, std::string_view token);

}  // namespace layby::http

#endif  // LAYBY_HTTP_HEADERS_H_
