// SPDX-License-Identifier: Apache-2.0
//
// The callbacks that wait for one shared result. Destroying the Handle of a waiter drops only
// that waiter's callback. A callback may add and drop waiters while settle() runs. Invariant:
// each callback is called at most once.

#ifndef LAYBY_CACHE_WAITERS_H_
#define LAYBY_CACHE_WAITERS_H_

#include <algorithm>
#include <cassert>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "layby/base/async.h"
#include "layby/base/lifetime.h"
#include "layby/base/result.h"

namespace layby::cache {

template <typename T>
class Waiters {
 public:
  using Done = std::function<void(T)>;

  Handle add(Done done) {
    assert(done);
    auto waiter = std::make_unique<Droppable<T>>(std::move(done));
    calls_.push_back(waiter->call());
    return waiter;
  }

  bool any() const {
    return std::any_of(calls_.begin(), calls_.end(),
                       [](const auto& call) { return call.is_wanted(); });
  }

  // Gives `value` to each present waiter once.
  void settle(const T& value) {
    for (const auto& call : std::exchange(calls_, {})) {
      if (call.is_wanted()) call(value);  // Copies `value` only for a waiter that wasn't dropped.
    }
  }

 private:
  std::vector<typename Droppable<T>::Call> calls_;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_WAITERS_H_
