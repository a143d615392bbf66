// SPDX-License-Identifier: Apache-2.0
//
// Parses request heads (RFC 9112 section 3) by llhttp in strict mode. The parser also refuses
// heads that llhttp accepts and that no later code checks: a missing or second Host, a second
// Content-Length, Content-Length beside Transfer-Encoding, a header that is folded or has no
// name, a line feed without its carriage return, a target that is neither a path
// nor a URL, a head above the limit.

#ifndef LAYBY_SERVER_REQUEST_PARSER_H_
#define LAYBY_SERVER_REQUEST_PARSER_H_

#include <llhttp.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "layby/server/http_server.h"

namespace layby::server {

class RequestParser {
 public:
  explicit RequestParser(std::uint64_t max_head_bytes);

  enum class Outcome {
    kIncomplete,  // More bytes are needed.
    kComplete,    // request() is whole; feed nothing more until reset().
    kRefused,     // refusal() says why; feed nothing more until reset().
  };

  struct Refusal {
    int status = 400;
    std::string text;
  };

  // Parses `bytes`. Sets `consumed` to the number of bytes that belong to the present head.
  Outcome feed(std::string_view bytes, std::size_t& consumed);

  // The request is whole after kComplete, until reset().
  Request& request() { return request_; }
  const Refusal& refusal() const { return refusal_; }
  std::uint64_t max_head_bytes() const { return max_head_bytes_; }
  // The number of bytes fed since the last reset(), including bytes that came after the head in
  // the same call of feed().
  std::uint64_t head_bytes() const { return head_bytes_; }

  // Gets ready for another head. The strings and headers keep their memory.
  void reset();

  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

 private:
  struct Callbacks;
  friend struct Callbacks;

  Outcome refuse(int status, std::string text);
  Outcome check();
  // Splits a target such as "http://host/path" into path and Host. Returns false if the target
  // isn't a URL.
  bool take_absolute_form();
  // Takes the next bytes of the head. Returns whether the bytes keep three rules: each line ends in
  // CR LF, is not continued on the next line (obs-fold, RFC 9112 section 5.2), and does not begin
  // with a colon (a header without a name). Some lines that break these rules are accepted by
  // llhttp.
  bool has_strict_lines(std::string_view bytes);
  void end_header();

  llhttp_t parser_;
  const std::uint64_t max_head_bytes_;
  std::uint64_t head_bytes_ = 0;
  bool whole_ = false;
  char last_byte_ = 0;
  std::string field_;
  std::string value_;
  Request request_;
  Refusal refusal_;
};

}  // namespace layby::server

#endif  // LAYBY_SERVER_REQUEST_PARSER_H_
