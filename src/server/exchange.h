// SPDX-License-Identifier: Apache-2.0
//
// What a request needs from the first byte of its head to the last of its answer. An idle
// connection has none. The last one that ended is kept for the next request, whoever sends
// it: to allocate its parts and free them again was a tenth of what a small answer costs.

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

  // As new, but for the memory.
  void reset() {
    parser.reset();
    response = Response();
    head.clear();
  }

  RequestParser parser;  // And the request, once it is whole.
  Response response;
  std::string head;  // Of the response.
};

class SpareExchange {
 public:
  std::unique_ptr<Exchange> take(std::uint64_t max_head_bytes) {
    return spare_ ? std::move(spare_) : std::make_unique<Exchange>(max_head_bytes);
  }
  void give_back(std::unique_ptr<Exchange> exchange) {
    exchange->reset();
    if (!spare_) spare_ = std::move(exchange);
  }

 private:
  std::unique_ptr<Exchange> spare_;
};

}  // namespace layby::server

#endif  // LAYBY_SERVER_EXCHANGE_H_
