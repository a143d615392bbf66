// SPDX-License-Identifier: Apache-2.0
//
// Values come from our own code or from parsed content; a line break in one would be a
// header of somebody else's, so it ends the value.

#include "server/response_head.h"

#include <algorithm>
#include <string_view>

#include "layby/http/date.h"

namespace layby::server {
namespace {

std::string_view reason(int status) {
  switch (status) {
    case 200:
      return "OK";
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
    case 416:
      return "Range Not Satisfiable";
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
    default:
      return "Unknown";
  }
}

void add_line(std::string& head, std::string_view name, std::string_view value) {
  const std::string_view line = value.substr(0, std::min(value.find('\r'), value.find('\n')));
  head.append(name).append(": ").append(line).append("\r\n");
}

}  // namespace

std::string HeadWriter::write(const HeadFields& fields) {
  const WallTime now = clock_.wall_now();
  const auto second =
      std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  if (second != second_) {
    second_ = second;
    lines_of_second_.clear();
    add_line(lines_of_second_, "Server", "layby");
    add_line(lines_of_second_, "Date", http::format_date(now));
  }
  std::string head;
  head.reserve(512);
  head.append("HTTP/1.1 ").append(std::to_string(fields.status)).append(" ");
  head.append(reason(fields.status)).append("\r\n");
  head.append(lines_of_second_);
  for (std::size_t i = 0; i < fields.headers.size(); ++i) {
    const http::Header header = fields.headers[i];
    add_line(head, header.name, header.value);
  }
  if (fields.content_length) {
    add_line(head, "Content-Length", std::to_string(*fields.content_length));
  }
  return head.append(fields.keep_alive ? "Connection: keep-alive\r\n\r\n"
                                       : "Connection: close\r\n\r\n");
}

}  // namespace layby::server
