// SPDX-License-Identifier: Apache-2.0
//
// Writes response heads (RFC 9112 section 4): the status line and headers as bytes.

#ifndef LAYBY_SERVER_RESPONSE_HEAD_H_
#define LAYBY_SERVER_RESPONSE_HEAD_H_

#include <cstdint>
#include <optional>
#include <string>

#include "layby/base/clock.h"
#include "layby/http/headers.h"

namespace layby::server {

struct HeadFields {
  int status = 200;
  const http::Headers& headers;
  std::optional<std::uint64_t> content_length;
  bool chunked = false;  // Never true together with a content_length.
  bool keep_alive = false;
};

// A HeadWriter formats the date at most once a second.
class HeadWriter {
 public:
  explicit HeadWriter(const Clock& clock) : clock_(clock) {}
  // Replaces the content of `head`.
  void write(const HeadFields& fields, std::string& head);

 private:
  const Clock& clock_;
  std::int64_t second_ = -1;
  std::string lines_of_second_;  // The lines that all heads of the same second share.
};

}  // namespace layby::server

#endif  // LAYBY_SERVER_RESPONSE_HEAD_H_
