// SPDX-License-Identifier: Apache-2.0
//
// The ids by which boxes know each other in CDN-Loop (RFC 8586) of a request and in Via (RFC 9110
// section 7.6.3) of an answer: "layby-" and 16 hexadecimal digits. An id lives as long as its
// process. Other members of these lists belong to other proxies, and are passed over.

#ifndef LAYBY_HTTP_BOX_ID_H_
#define LAYBY_HTTP_BOX_ID_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace layby::http {

// At most this many boxes of a list are read. A chain of parents is never longer.
inline constexpr std::size_t kMostBoxes = 16;

std::string make_box_id(std::uint64_t number);

// The box ids in the value of CDN-Loop ("layby-…, other") or Via ("1.1 layby-…, 1.1 other"), in
// their order, at most kMostBoxes.
std::vector<std::string> box_ids(std::string_view list);

// The value of Via for an answer that came through `boxes`.
std::string format_via(const std::vector<std::string>& boxes);

}  // namespace layby::http

#endif  // LAYBY_HTTP_BOX_ID_H_
