// SPDX-License-Identifier: Apache-2.0
//
// What the server owes a client for the client's bytes, and the check of the bytes that came back.
// An answer is framed by RFC 9112, section 6.3.

#ifndef LAYBY_TESTS_FUZZ_ANSWERS_H_
#define LAYBY_TESTS_FUZZ_ANSWERS_H_

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "layby/base/number.h"
#include "layby/http/headers.h"
#include "require.h"
#include "server/request_parser.h"
#include "shop.h"

namespace layby::fuzz {

// An answer that the server owes.
struct Debt {
  std::optional<Order> order;  // None for a head that can't be read.
  int status = 0;              // The status of the refusal of a wrong head.
  bool to_head = false;
  int http_minor = 1;
  bool keeps_alive = false;  // A later request on the connection gets an answer.
  bool is_due = true;        // False if the server may wait for the end of a wrong head.

  bool ends_with_connection() const {
    return order && order->is_stream() && !order->has_length() && http_minor == 0 && !to_head;
  }
  bool may_break() const { return order && order->is_broken() && !to_head; }
  bool must_break() const { return may_break() && order->size > 0; }
};

struct Debts {
  std::vector<Debt> all;
  bool has_rest = false;  // Whether bytes follow a request that ends the connection.
};

// Empty lines may stand before a head (RFC 9112, section 2.2).
inline bool has_end_of_head(std::string_view bytes) {
  const std::size_t begin = bytes.find_first_not_of("\r\n");
  return begin != std::string_view::npos && bytes.find("\r\n\r\n", begin) != std::string_view::npos;
}

// What the server owes for the bytes of a client.
inline Debts debts_for(std::string_view bytes, std::uint64_t header_bytes) {
  Debts debts;
  while (!bytes.empty()) {
    server::RequestParser parser(header_bytes);
    std::size_t consumed = 0;
    const auto outcome = parser.feed(bytes, consumed);
    if (outcome == server::RequestParser::Outcome::kIncomplete) break;
    Debt debt;
    if (outcome == server::RequestParser::Outcome::kRefused) {
      debt.status = parser.refusal().status;
      debt.is_due = has_end_of_head(bytes) || bytes.size() > header_bytes;
    } else {
      const server::Request& request = parser.request();
      debt.order = order_of(request);
      debt.to_head = request.method == "HEAD";
      debt.http_minor = request.http_minor;
      debt.keeps_alive = request.keep_alive && !request.has_body && !debt.ends_with_connection();
    }
    bytes.remove_prefix(consumed);
    debts.all.push_back(debt);
    debts.has_rest = !debt.keeps_alive && !bytes.empty();
    if (!debt.keeps_alive) break;
  }
  return debts;
}

inline constexpr std::string_view kInterim = "HTTP/1.1 100 Continue\r\n\r\n";

// Checks the answers that a client has got, as far as they have come.
class AnswerCheck {
 public:
  explicit AnswerCheck(std::vector<Debt> debts) : debts_(std::move(debts)) {}

  // `text` is all that has come; `ended` says that no more comes.
  void run(std::string_view text, bool ended) {
    text_ = text;
    whole_ = 0;
    cut_ = false;
    skip_interim();
    while (!text_.empty() && !cut_) {
      require(whole_ < debts_.size(), "every answer belongs to a request");
      require(whole_ == 0 || debts_[whole_ - 1].keeps_alive, "nothing follows the last answer");
      if (take_answer(debts_[whole_], ended)) {
        ++whole_;
      } else {
        cut_ = true;
      }
      if (!cut_) skip_interim();
    }
  }

  std::size_t whole() const { return whole_; }
  bool is_cut() const { return cut_; }
  bool is_paid() const { return !cut_ && (whole_ == debts_.size() || !debts_[whole_].is_due); }
  bool has_interim() const { return has_interim_; }
  // The first debt that has no whole answer.
  const Debt& next() const { return debts_[whole_]; }

 private:
  void skip_interim() {
    while (text_.starts_with(kInterim)) {
      has_interim_ = true;
      text_.remove_prefix(kInterim.size());
    }
  }

  // Takes the answer for `debt` off text_; false if the answer isn't whole.
  bool take_answer(const Debt& debt, bool ended) {
    const std::size_t end = text_.find("\r\n\r\n");
    if (end == std::string_view::npos) {
      const std::string_view begin = "HTTP/1.1 ";
      require(text_.starts_with(begin.substr(0, text_.size())), "an answer begins with a status");
      return false;
    }
    const http::Headers headers = head_of(text_.substr(0, end + 2), debt);
    text_.remove_prefix(end + 4);
    const int status = debt.order ? debt.order->status() : debt.status;
    if (debt.to_head || status == 304) return true;
    const bool whole = take_body(headers, debt, ended);
    require(!whole || !debt.must_break(), "a broken body doesn't look whole");
    return whole;
  }

  http::Headers head_of(std::string_view lines, const Debt& debt) const {
    const int status = debt.order ? debt.order->status() : debt.status;
    const std::string begin = "HTTP/1.1 " + std::to_string(status) + " ";
    require(lines.starts_with(begin), "the status is that of the request");
    take_line(lines);
    http::Headers headers;
    while (!lines.empty()) {
      std::string_view line = take_line(lines);
      require(line.ends_with('\r'), "a line ends in CR LF");
      line.remove_suffix(1);
      const std::size_t colon = line.find(": ");
      require(colon != std::string_view::npos && colon > 0, "a line has a name and a value");
      headers.add(line.substr(0, colon), line.substr(colon + 2));
    }
    check_head(headers, debt);
    return headers;
  }

  void check_head(const http::Headers& headers, const Debt& debt) const {
    require(headers.count("Content-Length") + headers.count("Transfer-Encoding") <= 1,
            "a body has one length");
    require(headers.count("Date") == 1 && headers.count("Connection") == 1,
            "a head has Date and Connection");
    require(debt.keeps_alive || headers.get("Connection") == "close", "the last answer says so");
    if (!debt.order) return;
    require(headers.get("X-Request") == std::to_string(whole_ + 1), "answers keep their order");
    if (!debt.order->has_length()) return;
    require(headers.get("Content-Length") == std::to_string(debt.order->size - debt.order->first()),
            "the length is that of the order");
  }

  // Takes the body off text_; false if the body isn't whole.
  bool take_body(const http::Headers& headers, const Debt& debt, bool ended) {
    if (headers.count("Transfer-Encoding") > 0) return take_chunks(debt);
    const auto value = headers.get("Content-Length");
    require(value || debt.ends_with_connection(), "only the end of a connection needs no length");
    if (!value) return take_rest(debt, ended);
    const std::uint64_t length = parse_number(*value).value();
    const std::string_view body = text_.substr(0, length);
    check_body(body, debt);
    text_.remove_prefix(body.size());
    return body.size() == length;
  }

  bool take_rest(const Debt& debt, bool ended) {
    const std::string_view body = std::exchange(text_, {});
    check_body(body, debt);
    return ended && body.size() == debt.order->size && !debt.order->is_broken();
  }

  bool take_chunks(const Debt& debt) {
    require(headers_allow_chunks(debt), "only a stream without a length has chunks");
    std::string body;
    for (;;) {
      std::uint64_t size = 0;
      const std::size_t end = text_.find("\r\n");
      if (end == std::string_view::npos) break;
      const auto digits = std::from_chars(text_.data(), text_.data() + end, size, 16);
      require(end > 0 && digits.ptr == text_.data() + end, "a chunk begins with its size");
      if (text_.size() < end + 2 + size + 2) break;
      body += text_.substr(end + 2, size);
      require(text_.substr(end + 2 + size, 2) == "\r\n", "a chunk ends in CR LF");
      text_.remove_prefix(end + 2 + size + 2);
      if (size > 0) continue;
      check_body(body, debt);
      require(body.size() == debt.order->size, "the body is whole");
      return true;
    }
    check_body(body, debt);
    return false;
  }

  static bool headers_allow_chunks(const Debt& debt) {
    return debt.order && !debt.order->has_length() && debt.http_minor > 0;
  }

  static void check_body(std::string_view body, const Debt& debt) {
    if (!debt.order) return;
    require(debt.order->body().starts_with(body), "the body is that of the order");
  }

  const std::vector<Debt> debts_;
  std::string_view text_;
  std::size_t whole_ = 0;
  bool cut_ = false;
  bool has_interim_ = false;
};

}  // namespace layby::fuzz

#endif  // LAYBY_TESTS_FUZZ_ANSWERS_H_
