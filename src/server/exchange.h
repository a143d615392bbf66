// SPDX-License-Identifier: Apache-2.0
//
// What a request needs from the first byte of its head to the last of its answer. One that
// is over is kept for the next request, whoever sends it: to allocate its parts and free
// them again would be a tenth of a small answer's instructions.

#ifndef LAYBY_SERVER_EXCHANGE_H_
#define LAYBY_SERVER_EXCHANGE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "layby/server/http_server.h"
#include "server/request_parser.h"

namespace layby::server {

struct Exchange {
  explicit Exchange(std::uint64_t max_head_bytes) : parser(max_head_bytes) {}

  RequestParser parser;  // And the request, once it is whole.
  Response response;
  std::string head;  // Of the response.
};

class SpareExchange {
 public:
  std::unique_ptr<Exchange> take(std::uint64_t max_head_bytes) {
    return spare_ ? std::move(spare_) : std::make_unique<Exchange>(max_head_bytes);
  }

  // Lets go of what it holds. Its memory is kept, but not what a large head made of it: many
  // connections may take it in turn, and each holds it for as long as it likes.
  void give_back(std::unique_ptr<Exchange> exchange) {
    const bool small = exchange->parser.head_bytes() <= kMostHeadBytes;
    if (!kKeeps || !small || spare_) return;
    exchange->parser.reset();
    exchange->response = Response();
    exchange->head.clear();
    spare_ = std::move(exchange);
  }

  bool has_one() const { return spare_ != nullptr; }

  static constexpr std::uint64_t kMostHeadBytes = 2 << 10;
#ifdef LAYBY_SANITIZED
  static constexpr bool kKeeps = false;  // So that whoever uses a request that is over is found.
#else
  static constexpr bool kKeeps = true;
#endif

 private:
  std::unique_ptr<Exchange> spare_;
};

}  // namespace layby::server

#endif  // LAYBY_SERVER_EXCHANGE_H_
