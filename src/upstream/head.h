// SPDX-License-Identifier: Apache-2.0
//
// The head of an answer: status, fields, and the length of the body that follows (RFC 9110,
// section 8.6; RFC 9112, section 6.3).

#ifndef LAYBY_UPSTREAM_HEAD_H_
#define LAYBY_UPSTREAM_HEAD_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "layby/http/headers.h"

namespace layby::upstream {

struct Head {
  int status = 0;
  http::Headers headers;
  std::string host;                  // The host that answered, for messages.
  bool from_another_origin = false;  // A redirect led to another host, port or scheme.

  // The length of the body on the wire; nullopt without a Content-Length. Must not be called on a
  // head with a length_fault().
  std::optional<std::uint64_t> content_length() const;
  // The reason why Content-Length states no length: a value is no number or is above 2^63 - 1, or
  // two values differ. "" if Content-Length states a length or is missing.
  std::string_view length_fault() const;
  // The Location that curl follows, which is the first Location that isn't empty; "" for none.
  std::string_view location() const;
  // Whether the answer is a redirect that curl follows; curl drops the body of such an answer.
  bool is_redirect() const { return status >= 300 && status < 400 && !location().empty(); }
};

}  // namespace layby::upstream

#endif  // LAYBY_UPSTREAM_HEAD_H_
