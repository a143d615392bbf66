// SPDX-License-Identifier: Apache-2.0
//
// The clients that wait for one shared request. A client that joins counts for the request's turn
// from then on. Invariant: each address is listed once. Lives on the loop thread.

#ifndef LAYBY_CACHE_ASKER_LIST_H_
#define LAYBY_CACHE_ASKER_LIST_H_

#include <algorithm>
#include <memory>
#include <vector>

#include "layby/base/ip_address.h"
#include "layby/cache/upstream.h"

namespace layby::cache {

class AskerList {
 public:
  // Returns whether `client` is new.
  bool join(const IpAddress& client) {
    const bool is_new = std::find(clients_->begin(), clients_->end(), client) == clients_->end();
    if (is_new) clients_->push_back(client);
    return is_new;
  }
  Askers shared() const { return clients_; }
  const std::vector<IpAddress>& clients() const { return *clients_; }

 private:
  const std::shared_ptr<std::vector<IpAddress>> clients_ =
      std::make_shared<std::vector<IpAddress>>();
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_ASKER_LIST_H_
