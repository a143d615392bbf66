// SPDX-License-Identifier: Apache-2.0
//
// A transaction is the state of a request from the first byte of its head to the last byte of its
// answer. One used transaction is kept for the next request of any client, because it would take a
// tenth of a small answer's instructions to allocate and free a transaction's parts.

#ifndef LAYBY_SERVER_TRANSACTION_H_
#define LAYBY_SERVER_TRANSACTION_H_

#include <cassert>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "layby/server/http_server.h"
#include "server/request_parser.h"

namespace layby::server {

struct Transaction {
  explicit Transaction(std::uint64_t max_head_bytes) : parser(max_head_bytes) {}

  RequestParser parser;  // Also holds the request.
  Response response;
  std::string head;  // The head of the response, as bytes.
};

class SpareTransaction {
 public:
  std::unique_ptr<Transaction> take(std::uint64_t max_head_bytes) {
    if (spare_ && spare_->parser.max_head_bytes() != max_head_bytes) spare_.reset();
    return spare_ ? std::move(spare_) : std::make_unique<Transaction>(max_head_bytes);
  }

  // Destroys the request and the response. Keeps the transaction's memory for the next request.
  // After a large head the memory is freed, because it would never shrink.
  void give_back(std::unique_ptr<Transaction> transaction) {
    assert(transaction != nullptr);
    const bool small = transaction->parser.head_bytes() <= kMostHeadBytes;
    if (!kKeeps || !small || spare_) return;
    transaction->parser.reset();
    transaction->response = Response();
    transaction->head.clear();
    spare_ = std::move(transaction);
  }

  bool has_one() const { return spare_ != nullptr; }

  static constexpr std::uint64_t kMostHeadBytes = 2 << 10;
#ifdef LAYBY_SANITIZED
  static constexpr bool kKeeps = false;  // Sanitizers then find uses of an old request.
#else
  static constexpr bool kKeeps = true;
#endif

 private:
  std::unique_ptr<Transaction> spare_;
};

}  // namespace layby::server

#endif  // LAYBY_SERVER_TRANSACTION_H_
