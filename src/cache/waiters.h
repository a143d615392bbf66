// SPDX-License-Identifier: Apache-2.0
//
// The callbacks that wait for one shared result. Each waiter holds a Handle; destroying the
// Handle drops that waiter's callback alone. A callback may add and drop waiters while
// settle() runs. Invariant: each callback is called at most once.

#ifndef LAYBY_CACHE_WAITERS_H_
#define LAYBY_CACHE_WAITERS_H_

#include <algorithm>
#include <cassert>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "layby/base/async.h"
#include "layby/base/result.h"

namespace layby::cache {

template <typename T>
class Waiters {
 public:
  using Done = std::function<void(T)>;

  Handle add(Done done) {
    assert(done);
    auto slot = std::make_shared<Done>(std::move(done));
    slots_.push_back(slot);
    return std::make_unique<Drop>(std::move(slot));
  }

  bool any() const {
    return std::any_of(slots_.begin(), slots_.end(),
                       [](const auto& slot) { return *slot != nullptr; });
  }

  // Gives `value` to all who wait now, each once.
  void settle(const T& value) {
    for (const auto& slot : std::exchange(slots_, {})) {
      if (const Done done = std::exchange(*slot, nullptr)) done(value);
    }
  }

 private:
  class Drop final : public Operation {
   public:
    explicit Drop(std::shared_ptr<Done> slot) : slot_(std::move(slot)) {}
    ~Drop() override { *slot_ = nullptr; }

   private:
    std::shared_ptr<Done> slot_;
  };

  std::vector<std::shared_ptr<Done>> slots_;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_WAITERS_H_
