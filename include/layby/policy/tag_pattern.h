// SPDX-License-Identifier: Apache-2.0
//
// A pattern selects tags of a repository:
//
//   3.13-slim              exactly this tag
//   3.12-*                 '*' means any characters
//   >=3.12 <3.14           a range of versions, without variants such as "-slim"
//   >=3.12 <3.14 -slim     the same range with this variant, which may contain '*'
//   >=3.12 <3.14 -*        the same range with any variant and without a variant
//
// A range matches only tags that have as many numbers as the range itself: ">=3.12" matches
// 3.12 and 3.13, but not 3.12.4. A range never matches a pre-release such as 3.14.0rc1 or
// 3.14-rc. The class is a pure value.

#ifndef LAYBY_POLICY_TAG_PATTERN_H_
#define LAYBY_POLICY_TAG_PATTERN_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layby/base/result.h"

namespace layby::policy {

class TagPattern {
 public:
  // Returns kInvalid for a bad `text`. The error's message has no subject, such as "is empty": the
  // caller writes the name of `text` in front.
  static Result<TagPattern> parse(std::string_view text);

  bool matches(std::string_view tag) const;
  // The only tag that matches; nullopt when upstream must be asked for its tags.
  std::optional<std::string> exact() const;
  const std::string& text() const { return text_; }

  bool operator==(const TagPattern& other) const { return text_ == other.text_; }

 private:
  // Up to four numbers; missing numbers are 0.
  struct Version {
    std::array<std::uint64_t, 4> parts{};
    std::size_t count = 0;
  };
  enum class Order { kEqual, kBelow, kAtMost, kAbove, kAtLeast };
  struct Comparator {
    Order order = Order::kEqual;
    Version version;

    bool holds_for(const Version& other) const;
  };

  // Takes a version off the beginning of `text`. Without a version, leaves `text` unchanged.
  static std::optional<Version> take_version(std::string_view& text);
  static Result<Comparator> parse_comparator(std::string_view word);
  Status parse_range();
  Status add_word(std::string_view word);
  bool matches_range(std::string_view tag) const;

  std::string text_;
  std::vector<Comparator> range_;  // A tag must satisfy all of these; empty for a plain pattern.
  std::size_t precision_ = 0;      // The most numbers that a version in the range has.
  std::optional<std::string> variant_;
};

}  // namespace layby::policy

#endif  // LAYBY_POLICY_TAG_PATTERN_H_
