// SPDX-License-Identifier: Apache-2.0
//
// Header values come from our own code or from parsed content. A line break in a value could
// smuggle in another header, so a value is cut at its first line break.

#include "server/response_head.h"

#include <algorithm>
#include <cassert>
#include <string_view>

#include "layby/http/date.h"

namespace layby::server {
namespace {

std::string_view reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 202:
      return "Accepted";
    case 206:
      return "Partial Content";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 416:
      return "Range Not Satisfiable";
    case 421:
      return "Misdirected Request";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    case 508:
      return "Loop Detected";
    default:
      return "Unknown";
  }
}

std::string_view first_line(std::string_view value) {
  return value.substr(0, std::min(value.find('\r'), value.find('\n')));
}

// An upper bound for three lines together: the status line without its reason, Content-Length or
// Transfer-Encoding, and Connection.
constexpr std::size_t kOwnLinesBytes = 128;

// Copies pieces one after another into a buffer that has room for all of them.
class Pieces {
 public:
  explicit Pieces(char* to) : to_(to) {}

  Pieces& add(std::string_view piece) {
    to_ = std::copy(piece.begin(), piece.end(), to_);
    return *this;
  }
  void add_line(std::string_view name, std::string_view value) {
    add(name).add(": ").add(value).add("\r\n");
  }
  const char* end() const { return to_; }

 private:
  char* to_;
};

}  // namespace

void HeadWriter::write(const HeadFields& fields, std::string& head) {
  assert(!fields.chunked || !fields.content_length);
  const WallTime now = clock_.wall_now();
  const auto second =
      std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  if (second != second_) {
    second_ = second;
    lines_of_second_ =
        "Server: layby\r\nX-Content-Type-Options: nosniff\r\nDate: " + http::format_date(now) +
        "\r\n";
  }
  std::size_t most = kOwnLinesBytes + reason(fields.status).size() + lines_of_second_.size();
  for (std::size_t i = 0; i < fields.headers.size(); ++i) {
    const http::Header header = fields.headers[i];
    most += header.name.size() + header.value.size() + std::string_view(": \r\n").size();
  }
  head.resize(most);
  Pieces pieces(head.data());
  pieces.add("HTTP/1.1 ").add(std::to_string(fields.status)).add(" ");
  pieces.add(reason(fields.status)).add("\r\n").add(lines_of_second_);
  const bool cut = fields.headers.has_line_break();
  for (std::size_t i = 0; i < fields.headers.size(); ++i) {
    const http::Header header = fields.headers[i];
    pieces.add_line(header.name, cut ? first_line(header.value) : header.value);
  }
  if (fields.content_length) {
    pieces.add_line("Content-Length", std::to_string(*fields.content_length));
  }
  if (fields.chunked) pieces.add_line("Transfer-Encoding", "chunked");
  pieces.add(fields.keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n");
  const auto size = static_cast<std::size_t>(pieces.end() - head.data());
  assert(size <= most);
  head.resize(size);
}

}  // namespace layby::server
