// SPDX-License-Identifier: Apache-2.0
//
// llhttp pauses when the head is whole, so llhttp never sees a body. After a request that has a
// body, the Connection answers and closes.
//
// Invariants: no byte is fed between a whole head and reset(). head_bytes_ never exceeds
// max_head_bytes_.

#include "server/request_parser.h"

#include <cassert>
#include <utility>

#include "layby/http/url.h"

namespace layby::server {
namespace {

constexpr std::size_t kMaxHeaders = 100;
// The first byte of a TLS record that contains a handshake (RFC 8446 section 5.1).
constexpr char kTlsHandshake = 0x16;
constexpr std::string_view kSchemeEnd = "://";

}  // namespace

struct RequestParser::Callbacks {
  static RequestParser& self(llhttp_t* parser) {
    return *static_cast<RequestParser*>(parser->data);
  }
  static int on_url(llhttp_t* parser, const char* at, std::size_t length) noexcept {
    self(parser).request_.path.append(at, length);
    return HPE_OK;
  }
  static int on_field(llhttp_t* parser, const char* at, std::size_t length) noexcept {
    self(parser).field_.append(at, length);
    return HPE_OK;
  }
  static int on_value(llhttp_t* parser, const char* at, std::size_t length) noexcept {
    self(parser).value_.append(at, length);
    return HPE_OK;
  }
  static int on_value_complete(llhttp_t* parser) noexcept {
    self(parser).end_header();
    return HPE_OK;
  }
  static int on_headers_complete(llhttp_t* parser) noexcept {
    self(parser).whole_ = true;
    return HPE_PAUSED;
  }
  static const llhttp_settings_t& settings() {
    static const llhttp_settings_t all = [] {
      llhttp_settings_t s;
      llhttp_settings_init(&s);
      s.on_url = on_url;
      s.on_header_field = on_field;
      s.on_header_value = on_value;
      s.on_header_value_complete = on_value_complete;
      s.on_headers_complete = on_headers_complete;
      return s;
    }();
    return all;
  }
};

RequestParser::RequestParser(std::uint64_t max_head_bytes) : max_head_bytes_(max_head_bytes) {
  reset();
}

void RequestParser::reset() {
  llhttp_init(&parser_, HTTP_REQUEST, &Callbacks::settings());
  parser_.data = this;
  head_bytes_ = 0;
  whole_ = false;
  last_byte_ = 0;
  field_.clear();
  value_.clear();
  request_.method.clear();
  request_.path.clear();
  request_.query.clear();
  request_.headers.clear();
  request_.http_minor = 1;
  request_.keep_alive = request_.has_body = false;
  request_.client.is_local = request_.client.is_proxy = false;
  request_.client.ip = {};
  request_.client.address.clear();
  request_.client.certificate.clear();
  request_.client.user.clear();
}

RequestParser::Outcome RequestParser::feed(std::string_view bytes, std::size_t& consumed) {
  assert(!whole_ && head_bytes_ <= max_head_bytes_);
  consumed = bytes.size();
  if (head_bytes_ == 0 && !bytes.empty() && bytes.front() == kTlsHandshake) {
    return refuse(400, "this port speaks plain HTTP and got a TLS handshake; use http://");
  }
  const std::uint64_t room = max_head_bytes_ - head_bytes_;
  const bool too_long = bytes.size() > room;
  const std::string_view mine = bytes.substr(0, static_cast<std::size_t>(room));
  head_bytes_ += mine.size();
  const auto error = llhttp_execute(&parser_, mine.data(), mine.size());
  // llhttp has paused after the line feed that ends the head.
  if (whole_) consumed = static_cast<std::size_t>(llhttp_get_error_pos(&parser_) - bytes.data());
  assert(!whole_ || consumed <= mine.size());
  if ((error != HPE_OK && !whole_) || !has_strict_lines(mine.substr(0, consumed))) {
    return refuse(400, "the request can't be read");
  }
  if (whole_) return check();
  if (too_long) {
    return refuse(
        431, "the request's head is larger than " + std::to_string(max_head_bytes_) + " bytes");
  }
  return Outcome::kIncomplete;
}

bool RequestParser::has_strict_lines(std::string_view bytes) {
  constexpr std::string_view kNotFirst = " \t:";
  if (bytes.empty()) return true;
  if (last_byte_ == '\n' && kNotFirst.find(bytes.front()) != std::string_view::npos) return false;
  for (auto at = bytes.find('\n'); at != std::string_view::npos; at = bytes.find('\n', at + 1)) {
    if ((at == 0 ? last_byte_ : bytes[at - 1]) != '\r') return false;
    const bool more = at + 1 < bytes.size();
    if (more && kNotFirst.find(bytes[at + 1]) != std::string_view::npos) return false;
  }
  last_byte_ = bytes.back();
  return true;
}

void RequestParser::end_header() {
  request_.headers.add(field_, value_);
  field_.clear();
  value_.clear();
}

RequestParser::Outcome RequestParser::check() {
  const auto& headers = request_.headers;
  std::size_t hosts = 0;
  std::size_t lengths = 0;
  std::size_t encodings = 0;
  for (std::size_t i = 0; i < headers.size(); ++i) {
    const std::string_view name = headers[i].name;
    if (http::equals_ignoring_case(name, "Host")) ++hosts;
    if (http::equals_ignoring_case(name, "Content-Length")) ++lengths;
    if (http::equals_ignoring_case(name, "Transfer-Encoding")) ++encodings;
  }
  const bool http11 = parser_.http_major == 1 && parser_.http_minor == 1;
  if (parser_.http_major == 0) return refuse(400, "the request names no HTTP version");
  if (parser_.http_major != 1) return refuse(505, "this server speaks only HTTP/1.1 and HTTP/1.0");
  if (headers.size() > kMaxHeaders) return refuse(431, "the request has too many headers");
  if (hosts > 1 || (http11 && hosts == 0)) {
    return refuse(400, "the request needs exactly one Host header");
  }
  if (lengths > 1 || (lengths > 0 && encodings > 0)) {
    return refuse(400, "the request announces its body in two ways");
  }
  std::string& target = request_.path;
  if (!target.starts_with('/') && !take_absolute_form()) {
    return refuse(400, "the request's target is neither a path nor a URL");
  }
  request_.method = llhttp_method_name(static_cast<llhttp_method_t>(parser_.method));
  request_.http_minor = parser_.http_minor;
  request_.keep_alive = llhttp_should_keep_alive(&parser_) != 0;
  request_.has_body = encodings > 0 || parser_.content_length > 0;
  if (const auto query = target.find('?'); query != std::string::npos) {
    request_.query.assign(target, query + 1);
    target.resize(query);
  }
  return Outcome::kComplete;
}

// The host in the target replaces the header Host (RFC 9112, section 3.2.2).
bool RequestParser::take_absolute_form() {
  const auto url = http::parse_url(request_.path);
  if (!url) return false;
  http::Headers headers;
  headers.add("Host", url->origin().substr(url->scheme.size() + kSchemeEnd.size()));
  for (std::size_t i = 0; i < request_.headers.size(); ++i) {
    const http::Header header = request_.headers[i];
    if (!http::equals_ignoring_case(header.name, "Host")) headers.add(header.name, header.value);
  }
  request_.headers = std::move(headers);
  request_.path = url->path.empty() ? "/" : url->path;
  if (!url->query.empty()) request_.path += "?" + url->query;
  return true;
}

RequestParser::Outcome RequestParser::refuse(int status, std::string text) {
  refusal_ = {status, std::move(text)};
  return Outcome::kRefused;
}

}  // namespace layby::server
