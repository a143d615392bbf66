// SPDX-License-Identifier: Apache-2.0
//
// Heads of requests. The first byte of the input is the size of the pieces. The rest of the input
// is parsed three times: whole, byte by byte, and in pieces of this size. Before the second and
// the third parsing, the parser reads another head. All three must have the same outcome, the same
// request and the same number of bytes left over. An accepted head must have only one meaning.

#include <algorithm>
#include <string>

#include "require.h"
#include "server/request_parser.h"

namespace layby::fuzz {
namespace {

using server::Request;
using server::RequestParser;
using Outcome = RequestParser::Outcome;

constexpr std::uint64_t kLimit = 512;

struct Parsed {
  Outcome outcome = Outcome::kIncomplete;
  std::size_t consumed = 0;
  RequestParser::Refusal refusal;
  Request request;
};

Parsed parse(RequestParser& parser, std::string_view bytes, std::size_t step) {
  Parsed parsed;
  while (parsed.outcome == Outcome::kIncomplete && parsed.consumed < bytes.size()) {
    const std::string piece(bytes.substr(parsed.consumed, step));
    std::size_t consumed = 0;
    parsed.outcome = parser.feed(piece, consumed);
    require(consumed <= piece.size(), "no more is consumed than was given");
    require(consumed == piece.size() || parsed.outcome != Outcome::kIncomplete,
            "an incomplete head consumes the whole piece");
    parsed.consumed += consumed;
  }
  parsed.refusal = parser.refusal();
  parsed.request = parser.request();
  return parsed;
}

void require_same(const Parsed& a, const Parsed& b) {
  require(a.outcome == b.outcome, "cuts do not change the outcome");
  if (a.outcome == Outcome::kRefused) {
    require(a.refusal.status == b.refusal.status, "cuts do not change the status");
    require(a.refusal.text == b.refusal.text, "cuts do not change the reason");
    return;
  }
  if (a.outcome != Outcome::kComplete) return;
  require(a.consumed == b.consumed, "cuts do not change what is left over");
  const Request& x = a.request;
  const Request& y = b.request;
  require(x.method == y.method && x.path == y.path && x.query == y.query &&
              x.http_minor == y.http_minor && x.keep_alive == y.keep_alive &&
              x.has_body == y.has_body,
          "cuts do not change the request");
  require(x.headers.size() == y.headers.size(), "cuts do not change the number of headers");
  for (std::size_t i = 0; i < x.headers.size(); ++i) {
    require(x.headers[i].name == y.headers[i].name && x.headers[i].value == y.headers[i].value,
            "cuts do not change the headers");
  }
}

void check_request(const Request& request, std::string_view head) {
  require(head.ends_with("\r\n\r\n"), "a head ends in an empty line");
  require(head.size() <= kLimit, "a head keeps to the limit");
  require(request.http_minor == 0 || request.http_minor == 1, "the version is 1.0 or 1.1");
  require(request.path.starts_with("/"), "a target is a path");
  require(request.path.find('?') == std::string::npos, "the query is not in the path");
  require(request.headers.count("Host") <= 1, "there is at most one Host");
  require(request.headers.count("Content-Length") <= 1, "there is at most one Content-Length");
  require(request.headers.count("Content-Length") == 0 ||
              request.headers.count("Transfer-Encoding") == 0,
          "a body is announced in one way");
  for (std::size_t i = 0; i < head.size(); ++i) {
    require(head[i] != '\n' || (i > 0 && head[i - 1] == '\r'), "no bare line feed");
  }
  for (std::size_t i = 0; i < request.headers.size(); ++i) {
    const http::Header header = request.headers[i];
    require(!header.name.empty(), "a header has a name");
    require(header.name.find_first_of(" \t\r\n:") == std::string::npos, "a name is one token");
    require(header.value.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos,
            "a value is on one line");
  }
}

void check(std::string_view text) {
  if (text.empty()) return;
  const auto step = static_cast<unsigned char>(text.front());
  text.remove_prefix(1);
  RequestParser parser(kLimit);
  const Parsed whole = parse(parser, text, std::string_view::npos);
  for (const std::size_t bytes : {std::size_t{1}, std::max<std::size_t>(step, 1)}) {
    RequestParser used(kLimit);
    parse(used, "PUT /a?b HTTP/1.0\r\nHost: x\r\nContent-Length: 5\r\nHalf: a hea", kLimit);
    used.reset();
    require_same(whole, parse(used, text, bytes));
  }
  if (whole.outcome == Outcome::kComplete) {
    check_request(whole.request, text.substr(0, whole.consumed));
  }
  if (whole.outcome == Outcome::kRefused) {
    require(whole.refusal.status >= 400 && !whole.refusal.text.empty(), "a refusal says why");
  }
}

}  // namespace
}  // namespace layby::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  layby::fuzz::check(layby::fuzz::as_text(data, size));
  return 0;
}
