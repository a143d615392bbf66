// SPDX-License-Identifier: Apache-2.0
//
// The clients that wait for one fill's bytes: clients that wait for a reader, and clients that
// read. A Stay may outlive the fill. Lives on the loop thread. Invariant: an address is listed
// exactly while one of its Stays lives.

#ifndef LAYBY_CACHE_FILL_CLIENTS_H_
#define LAYBY_CACHE_FILL_CLIENTS_H_

#include <algorithm>
#include <cassert>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "layby/base/ip_address.h"

namespace layby::cache {

class FillClients {
  struct List {
    std::vector<std::pair<IpAddress, int>> present;  // Each address with the number of its Stays.
    std::function<void()> on_left;                   // Empty after the fill is gone.
  };

 public:
  // One wait of one client. All objects that serve this wait share the Stay.
  class Stay {
   public:
    Stay(std::shared_ptr<List> list, const IpAddress& client)
        : list_(std::move(list)), client_(client) {
      const auto at = find();
      if (at == list_->present.end()) {
        list_->present.emplace_back(client_, 1);
      } else {
        ++at->second;
      }
    }
    Stay(const Stay&) = delete;
    Stay& operator=(const Stay&) = delete;
    ~Stay() {
      const auto at = find();
      assert(at != list_->present.end() && at->second > 0);
      if (--at->second > 0) return;
      list_->present.erase(at);
      if (list_->on_left) list_->on_left();
    }

   private:
    std::vector<std::pair<IpAddress, int>>::iterator find() {
      return std::find_if(list_->present.begin(), list_->present.end(),
                          [this](const auto& entry) { return entry.first == client_; });
    }

    const std::shared_ptr<List> list_;
    const IpAddress client_;
  };

  // Calls `on_left` when the last Stay of an address ends. A reader may be in its destructor then,
  // so `on_left` must not touch readers.
  explicit FillClients(std::function<void()> on_left) { list_->on_left = std::move(on_left); }
  FillClients(const FillClients&) = delete;
  FillClients& operator=(const FillClients&) = delete;
  ~FillClients() { list_->on_left = nullptr; }

  std::shared_ptr<Stay> add(const IpAddress& client) {
    return std::make_shared<Stay>(list_, client);
  }
  bool has(const IpAddress& client) const {
    return std::any_of(list_->present.begin(), list_->present.end(),
                       [&](const auto& entry) { return entry.first == client; });
  }
  bool any() const { return !list_->present.empty(); }
  std::vector<IpAddress> addresses() const {
    std::vector<IpAddress> all;
    all.reserve(list_->present.size());
    for (const auto& [address, stays] : list_->present) all.push_back(address);
    return all;
  }

 private:
  const std::shared_ptr<List> list_ = std::make_shared<List>();
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_FILL_CLIENTS_H_
