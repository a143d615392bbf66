// SPDX-License-Identifier: Apache-2.0
//
// Entity tags and the conditions on them (RFC 9110 section 13). Layby's tags are
// strong: the digest of the content, in quotes.

#ifndef LAYBY_HTTP_CONDITIONAL_H_
#define LAYBY_HTTP_CONDITIONAL_H_

#include <string_view>

namespace layby::http {

// Whether `If-None-Match: value` names `etag` (with its quotes) or is "*". If so, the answer is
// 304. The comparison is weak (section 8.8.3.2). A digest without quotes matches too, since some
// registry clients send no quotes.
bool none_match_hits(std::string_view value, std::string_view etag);

// Whether `If-Range: value` matches `etag`. If not, Range is ignored. The comparison is strong, and
// a date never matches.
bool if_range_holds(std::string_view value, std::string_view etag);

}  // namespace layby::http

#endif  // LAYBY_HTTP_CONDITIONAL_H_
