// SPDX-License-Identifier: Apache-2.0
//
// box_ids() can read both CDN-Loop and Via, because a box id is a word of its own in both headers.

#include "layby/http/box_id.h"

#include <algorithm>

namespace layby::http {
namespace {

constexpr std::string_view kPrefix = "layby-";
constexpr std::size_t kDigits = 16;
constexpr std::string_view kHex = "0123456789abcdef";

bool is_box_id(std::string_view word) {
  return word.size() == kPrefix.size() + kDigits && word.starts_with(kPrefix) &&
         word.find_first_not_of(kHex, kPrefix.size()) == std::string_view::npos;
}

}  // namespace

std::string make_box_id(std::uint64_t number) {
  std::string id(kPrefix);
  for (std::size_t i = kDigits; i > 0; --i) id += kHex[(number >> (4 * (i - 1))) & 0xf];
  return id;
}

std::vector<std::string> box_ids(std::string_view list) {
  constexpr std::string_view kBetween = " \t,;";
  std::vector<std::string> ids;
  while (ids.size() < kMostBoxes) {
    const std::size_t begin = list.find_first_not_of(kBetween);
    if (begin == std::string_view::npos) break;
    const std::size_t end = std::min(list.find_first_of(kBetween, begin), list.size());
    const std::string_view word = list.substr(begin, end - begin);
    if (is_box_id(word)) ids.emplace_back(word);
    list.remove_prefix(end);
  }
  return ids;
}

std::string format_via(const std::vector<std::string>& boxes) {
  std::string via;
  for (const std::string& box : boxes) via += (via.empty() ? "1.1 " : ", 1.1 ") + box;
  return via;
}

}  // namespace layby::http
