// SPDX-License-Identifier: Apache-2.0
//
// Boxes know each other by ids: "layby-" and 16 hexadecimal digits. The ids stand in CDN-Loop of a
// request (RFC 8586) and in Via of an answer (RFC 9110 section 7.6.3). Each process makes a new id.
// Other members of these two lists belong to other proxies, and are skipped.

#ifndef LAYBY_HTTP_BOX_ID_H_
#define LAYBY_HTTP_BOX_ID_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace layby::http {

// The most ids that are read from a list. No chain of parents has more boxes.
inline constexpr std::size_t kMostBoxes = 16;

std::string make_box_id(std::uint64_t number);

// The box ids in the value of CDN-Loop ("layby-…, other") or Via ("1.1 layby-…, 1.1 other"), in
// their order, at most kMostBoxes.
std::vector<std::string> box_ids(std::string_view list);

// The value of Via for an answer that came through `boxes`.
std::string format_via(const std::vector<std::string>& boxes);

}  // namespace layby::http

#endif  // LAYBY_HTTP_BOX_ID_H_
