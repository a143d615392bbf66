// SPDX-License-Identifier: Apache-2.0
//
// Builds the tree from nlohmann's SAX events. nlohmann's own document silently drops the first of
// two equal keys, but a key that appears twice misleads the reader of a configuration. The events
// end at the first syntax fault. Events have no position, so the parser reads the text through a
// Cursor, which records the position. Invariant: open_ has the lists and objects from the root to
// the value that is being read, at most kMaxJsonDepth.

#include "app/config_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "layby/base/log.h"
#include "layby/base/number.h"

namespace layby::app {
namespace {

using Json = nlohmann::ordered_json;

// An iterator over the text that records the position of the parser.
class Cursor {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  Cursor(const char* at, const char*& reached) : at_(at), reached_(&reached) {}
  reference operator*() const { return *at_; }
  Cursor& operator++() {
    *reached_ = ++at_;
    return *this;
  }
  bool operator==(const Cursor& other) const { return at_ == other.at_; }
  bool operator!=(const Cursor& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  const char** reached_;
};

// "line 3, column 7": where reading stopped. `position` is the number of the byte, from 1.
std::string place_of(std::string_view text, std::size_t position) {
  const std::string_view before =
      text.substr(0, std::min(position, text.size() + 1) - (position > 0 ? 1 : 0));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t break_at = before.rfind('\n');
  const std::size_t column =
      break_at == std::string_view::npos ? before.size() + 1 : before.size() - break_at;
  return fmt::format("line {}, column {}", line, column);
}

// Removes nlohmann's preamble and the quoted text from an error message.
std::string plain_message(std::string message) {
  const std::size_t dash = message.find(" - ");
  if (dash != std::string::npos) message.erase(0, dash + 3);
  const std::size_t echo = message.find("; last read: ");
  if (echo != std::string::npos) {
    const std::size_t expected = message.rfind("; expected ");
    const bool told = expected != std::string::npos && expected > echo;
    message.erase(echo, told ? expected - echo : std::string::npos);
  }
  if (message.starts_with("unexpected '}'; expected string") ||
      message.starts_with("unexpected ']'")) {
    message += "; remove the comma before it";
  }
  return log::printable(message);
}

class TreeBuilder final : public nlohmann::json_sax<Json> {
 public:
  // At each event, `reached` points past the event's text.
  TreeBuilder(std::string_view text, const char* const& reached)
      : text_(text), reached_(reached), counted_(text.data()) {}

  JsonOutcome take() { return std::move(outcome_); }

  bool null() override { return add(JsonValue::Kind::kNull, "null"); }
  bool boolean(bool value) override {
    return add(JsonValue::Kind::kBoolean, value ? "true" : "false");
  }
  bool number_integer(number_integer_t value) override {
    return add(JsonValue::Kind::kNumber, std::to_string(value));
  }
  bool number_unsigned(number_unsigned_t value) override {
    return add(JsonValue::Kind::kNumber, std::to_string(value));
  }
  bool number_float(number_float_t, const string_t& written) override {
    return add(JsonValue::Kind::kNumber, written);
  }
  bool string(string_t& value) override { return add(JsonValue::Kind::kText, std::move(value)); }
  bool binary(binary_t&) override { return false; }  // JSON text has no binary values.
  bool start_object(std::size_t) override { return open(JsonValue::Kind::kObject); }
  bool start_array(std::size_t) override { return open(JsonValue::Kind::kList); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    assert(!open_.empty() && open_.back()->kind == JsonValue::Kind::kObject);
    open_.back()->members.push_back({std::move(name), {}, line()});
    return true;
  }

  bool end_object() override {
    assert(!open_.empty() && open_.back()->kind == JsonValue::Kind::kObject);
    report_duplicates(*open_.back());
    return close();
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& failure) override {
    std::string message = plain_message(failure.what());
    if (!seen_ && message.starts_with("unexpected end of input")) {
      outcome_.root.kind = JsonValue::Kind::kObject;
      return false;
    }
    outcome_.broken = true;
    outcome_.faults.push_back({place_of(text_, position), std::move(message)});
    return false;
  }

 private:
  // The node that the next value is stored in.
  JsonValue& next() {
    assert(!open_.empty() || !seen_);  // A text has one root.
    seen_ = true;
    if (open_.empty()) return outcome_.root;
    JsonValue& parent = *open_.back();
    if (parent.kind == JsonValue::Kind::kObject) {
      assert(!parent.members.empty());  // key() is called before the key's value comes.
      return parent.members.back().value;
    }
    assert(parent.kind == JsonValue::Kind::kList);
    return parent.items.emplace_back();
  }

  // The line on which the event's text ends. The last character isn't counted, because the parser
  // reads one more character to find the end of a number.
  int line() {
    assert(counted_ <= reached_);
    for (; counted_ + 1 < reached_; ++counted_) line_ += *counted_ == '\n' ? 1 : 0;
    return line_;
  }

  bool add(JsonValue::Kind kind, std::string text) {
    JsonValue& value = next();
    value.kind = kind;
    value.line = line();
    value.text = std::move(text);
    return true;
  }

  bool open(JsonValue::Kind kind) {
    if (open_.size() == kMaxJsonDepth) {
      outcome_.broken = true;
      outcome_.faults.push_back({path(), "is nested too deep; no key is this deep"});
      return false;
    }
    // The pointer stays valid: a parent's vector grows only after this value is closed.
    JsonValue& value = next();
    value.kind = kind;
    value.line = line();
    open_.push_back(&value);
    return true;
  }

  bool close() {
    assert(!open_.empty());
    open_.pop_back();
    return true;
  }

  // The path of the innermost open value: "upstreams[1]".
  std::string path() const {
    std::string path;
    for (std::size_t i = 0; i + 1 < open_.size(); ++i) {
      const JsonValue& value = *open_[i];
      if (value.kind == JsonValue::Kind::kObject) {
        path = join_path(path, value.members.back().name);
      } else {
        path += "[" + std::to_string(value.items.size() - 1) + "]";
      }
    }
    return path;
  }

  void report_duplicates(const JsonValue& object) {
    std::vector<std::string_view> names;
    for (const JsonMember& member : object.members) names.emplace_back(member.name);
    std::sort(names.begin(), names.end());
    for (std::size_t i = 1; i < names.size(); ++i) {
      const bool again = names[i] == names[i - 1] && (i == 1 || names[i] != names[i - 2]);
      if (again) {
        outcome_.faults.push_back({join_path(path(), names[i]), "appears here twice; keep one"});
      }
    }
  }

  std::string_view text_;
  const char* const& reached_;
  const char* counted_;  // line_ is the line of this character.
  int line_ = 1;
  JsonOutcome outcome_;
  std::vector<JsonValue*> open_;  // The outermost value comes first.
  bool seen_ = false;             // A value has begun.
};

const JsonMember* find_member(const JsonValue& object, std::string_view shown_name) {
  const auto at = std::find_if(
      object.members.begin(), object.members.end(),
      [&](const JsonMember& member) { return join_path("", member.name) == shown_name; });
  return at == object.members.end() ? nullptr : &*at;
}

}  // namespace

JsonOutcome read_json(std::string_view text) {
  const char* reached = text.data();
  TreeBuilder builder(text, reached);
  Json::sax_parse(Cursor(text.data(), reached), Cursor(text.data() + text.size(), reached),
                  &builder, Json::input_format_t::json, true, true);
  JsonOutcome outcome = builder.take();
  assert(!outcome.broken || !outcome.faults.empty());
  if (!outcome.broken && outcome.root.kind != JsonValue::Kind::kObject) {
    outcome.broken = true;
    outcome.faults.push_back(
        {"line 1, column 1", "the file must be an object, { … }, not " + describe(outcome.root)});
  }
  return outcome;
}

std::string describe(const JsonValue& value) {
  constexpr std::size_t kLongest = 40;
  switch (value.kind) {
    case JsonValue::Kind::kText:
      if (value.text.size() > kLongest) {
        return fmt::format("\"{}...\"", log::printable(value.text.substr(0, kLongest)));
      }
      return fmt::format("\"{}\"", log::printable(value.text));
    case JsonValue::Kind::kList:
      return "a list";
    case JsonValue::Kind::kObject:
      return "an object";
    default:
      return log::printable(value.text);
  }
}

int line_of(const JsonValue& root, std::string_view path) {
  const JsonValue* value = &root;
  int line = 0;
  while (!path.empty()) {
    if (path.starts_with('[')) {
      const std::size_t end = std::min(path.find(']'), path.size());
      const auto index = parse_number(path.substr(1, end - 1));
      if (!index || *index >= value->items.size()) return line;
      value = &value->items[static_cast<std::size_t>(*index)];
      line = value->line;
      path.remove_prefix(std::min(end + 1, path.size()));
    } else {
      // A key whose name has dots is a fault, and the report of the fault needs the line of the
      // key.
      const JsonMember* found = find_member(*value, path);
      const std::size_t end = found != nullptr ? path.size() : path.find_first_of(".[");
      if (found == nullptr) found = find_member(*value, path.substr(0, end));
      if (found == nullptr) return line;
      value = &found->value;
      line = found->line;
      path.remove_prefix(std::min(end, path.size()));
    }
    if (path.starts_with('.')) path.remove_prefix(1);
  }
  return line;
}

std::string join_path(const std::string& parent, std::string_view name) {
  const std::string shown = name.empty() ? "\"\"" : log::printable(name);
  return parent.empty() ? shown : fmt::format("{}.{}", parent, shown);
}

}  // namespace layby::app
