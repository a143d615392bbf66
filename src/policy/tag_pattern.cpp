// SPDX-License-Identifier: Apache-2.0
//
// To a registry a tag is only a name. In a range, a tag counts as a version when the tag looks
// like the tags of official images: an optional "v", numbers with dots, and an optional "-variant".
//
// Invariant: every version in a range has 1 to precision_ numbers.

#include "layby/policy/tag_pattern.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "layby/base/number.h"
#include "layby/policy/repository_filter.h"

namespace layby::policy {
namespace {

constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kTagCharacters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-*";
constexpr std::size_t kLongestTag = 128;

Error fault(const std::string& what) { return {ErrorCode::kInvalid, what}; }

std::string_view take_word(std::string_view& text) {
  const std::size_t begin = std::min(text.find_first_not_of(' '), text.size());
  text.remove_prefix(begin);
  const std::size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

// Whether the variant marks an unreleased version: "-rc1-slim", "-beta", "-dev-alpine".
bool is_prerelease(std::string_view variant) {
  constexpr std::string_view kSigns[] = {"-rc", "-alpha", "-beta", "-dev", "-pre", "-preview"};
  return std::any_of(std::begin(kSigns), std::end(kSigns), [variant](std::string_view sign) {
    if (!variant.starts_with(sign)) return false;
    const std::string_view rest = variant.substr(sign.size());
    const std::string_view behind =
        rest.substr(std::min(rest.find_first_not_of("0123456789."), rest.size()));
    return behind.empty() || behind.front() == '-';
  });
}

}  // namespace

bool TagPattern::Comparator::holds_for(const Version& other) const {
  switch (order) {
    case Order::kEqual:
      return other.parts == version.parts;
    case Order::kBelow:
      return other.parts < version.parts;
    case Order::kAtMost:
      return other.parts <= version.parts;
    case Order::kAbove:
      return other.parts > version.parts;
    case Order::kAtLeast:
      return other.parts >= version.parts;
  }
  return false;
}

Result<TagPattern> TagPattern::parse(std::string_view text) {
  TagPattern pattern;
  pattern.text_ = text;
  if (text.empty()) return fault("is empty; write a tag such as \"3.13-slim\", or \"*\"");
  if (text.find_first_of("<>= ") != std::string_view::npos) {
    if (const Status status = pattern.parse_range(); !status.ok()) return status.error();
    return pattern;
  }
  const bool is_tag = text.size() <= kLongestTag && text.front() != '.' && text.front() != '-' &&
                      text.find_first_not_of(kTagCharacters) == std::string_view::npos;
  if (!is_tag) {
    return fault(
        "is neither a tag such as \"3.13-slim\", nor a pattern such as \"3.12-*\", nor a "
        "range such as \">=3.12 <3.14\"");
  }
  return pattern;
}

Status TagPattern::parse_range() {
  std::string_view rest = text_;
  for (std::string_view word = take_word(rest); !word.empty(); word = take_word(rest)) {
    if (Status status = add_word(word); !status.ok()) return status;
  }
  if (range_.empty()) return fault("has no version to compare with, such as \">=3.12\"");
  return {};
}

Status TagPattern::add_word(std::string_view word) {
  assert(!word.empty());
  if (variant_) return fault("has words after the variant \"" + *variant_ + "\"");
  if (word.front() == '-') {
    if (word.size() == 1 || word.find_first_not_of(kTagCharacters) != std::string_view::npos) {
      return fault("has \"" + std::string(word) + "\", which is not a variant such as \"-slim\"");
    }
    variant_ = word;
    return {};
  }
  const Result<Comparator> comparator = parse_comparator(word);
  if (!comparator.ok()) return comparator.error();
  precision_ = std::max(precision_, comparator->version.count);
  range_.push_back(*comparator);
  return {};
}

Result<TagPattern::Comparator> TagPattern::parse_comparator(std::string_view word) {
  constexpr std::pair<std::string_view, Order> kSigns[] = {{">=", Order::kAtLeast},
                                                           {"<=", Order::kAtMost},
                                                           {">", Order::kAbove},
                                                           {"<", Order::kBelow},
                                                           {"=", Order::kEqual}};
  for (const auto& [sign, order] : kSigns) {
    if (!word.starts_with(sign)) continue;
    std::string_view rest = word.substr(sign.size());
    const std::optional<Version> version = take_version(rest);
    if (version && rest.empty()) return Comparator{order, *version};
    break;
  }
  return fault("has \"" + std::string(word) +
               "\", which is neither a comparison such as \">=3.12\" (no space after the sign), "
               "nor a variant such as \"-slim\"");
}

std::optional<TagPattern::Version> TagPattern::take_version(std::string_view& text) {
  Version version;
  std::string_view rest = text;
  while (true) {
    const std::size_t end = std::min(rest.find_first_not_of(kDigits), rest.size());
    const auto number = parse_number(rest.substr(0, end));
    if (!number || version.count == version.parts.size()) return std::nullopt;
    version.parts.at(version.count++) = *number;
    rest.remove_prefix(end);
    if (!rest.starts_with('.')) break;
    rest.remove_prefix(1);
  }
  assert(version.count > 0);
  text = rest;
  return version;
}

bool TagPattern::matches(std::string_view tag) const {
  return range_.empty() ? matches_pattern(text_, tag) : matches_range(tag);
}

bool TagPattern::matches_range(std::string_view tag) const {
  assert(precision_ > 0);
  if (tag.starts_with('v')) tag.remove_prefix(1);
  const std::optional<Version> version = take_version(tag);
  if (!version || version->count != precision_) return false;
  if (!tag.empty() && (tag.front() != '-' || is_prerelease(tag))) return false;
  const bool any_variant = variant_ == "-*";
  if (!any_variant && !matches_pattern(variant_.value_or(""), tag)) return false;
  return std::all_of(range_.begin(), range_.end(), [&version](const Comparator& comparator) {
    return comparator.holds_for(*version);
  });
}

std::optional<std::string> TagPattern::exact() const {
  if (!range_.empty() || text_.find('*') != std::string::npos) return std::nullopt;
  return text_;
}

}  // namespace layby::policy
