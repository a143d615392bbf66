// SPDX-License-Identifier: Apache-2.0
//
// Three tools for callbacks to objects that may be gone. Lifetime tells a late callback whether its
// object still exists. Droppable lets the receiver of an answer leave before the answer comes.
// Graveyard destroys an object after the callback in which the object's work ended. Each tool is
// used on one thread.

#ifndef LAYBY_BASE_LIFETIME_H_
#define LAYBY_BASE_LIFETIME_H_

#include <cassert>
#include <chrono>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "layby/base/async.h"

namespace layby {

// A member of an object whose work may outlive the object. Declare the Lifetime as the last member,
// so that the Lifetime is destroyed first.
class Lifetime {
 public:
  Lifetime() = default;
  Lifetime(const Lifetime&) = delete;
  Lifetime& operator=(const Lifetime&) = delete;

  // A copyable watch, which tells whether the object has ended. ended() is called on the object's
  // thread.
  class Watch {
   public:
    bool ended() const { return token_.expired(); }

   private:
    friend class Lifetime;
    explicit Watch(std::weak_ptr<const char> token) : token_(std::move(token)) {}
    std::weak_ptr<const char> token_;
  };
  Watch watch() const { return Watch(token_); }

  // Returns a wrapper of `call` that does nothing after the object has ended.
  template <typename Call>
  auto guard(Call call) const {
    return [watch = watch(), call = std::move(call)](auto&&... arguments) mutable {
      if (!watch.ended()) call(std::forward<decltype(arguments)>(arguments)...);
    };
  }

 private:
  const std::shared_ptr<const char> token_ = std::make_shared<const char>('\0');
};

// A callback whose receiver may leave. The receiver owns the Droppable as a Handle. The callback
// from call() runs at most once, and never after the handle was destroyed.
template <typename... Arguments>
class Droppable final : public Operation {
 public:
  using Callback = std::function<void(Arguments...)>;

  explicit Droppable(Callback callback)
      : callback_(std::make_shared<Callback>(std::move(callback))) {
    assert(*callback_);
  }
  ~Droppable() override { *callback_ = nullptr; }

  // A copyable callback. All copies together run the callback at most once.
  class Call {
   public:
    void operator()(Arguments... arguments) const {
      if (const Callback once = std::exchange(*callback_, nullptr)) {
        once(std::forward<Arguments>(arguments)...);
      }
    }
    // True if the callback has not run and its receiver has not left.
    bool is_wanted() const { return *callback_ != nullptr; }

   private:
    friend class Droppable;
    explicit Call(std::shared_ptr<Callback> callback) : callback_(std::move(callback)) {}
    std::shared_ptr<Callback> callback_;
  };
  Call call() const { return Call(callback_); }

  // `work` produces the answer. The work is cancelled when the receiver leaves.
  void own(Handle work) { work_ = std::move(work); }

 private:
  const std::shared_ptr<Callback> callback_;
  Handle work_;
};

// Destroys the buried objects at the next turn of the loop, or when the Graveyard is destroyed.
class Graveyard {
 public:
  explicit Graveyard(Timers& timers) : timers_(timers) {}
  Graveyard(const Graveyard&) = delete;
  Graveyard& operator=(const Graveyard&) = delete;

  void bury(std::shared_ptr<void> over) {
    assert(over != nullptr);
    buried_.push_back(std::move(over));
    if (!sweep_) sweep_ = timers_.after(std::chrono::milliseconds(0), [this] { sweep(); });
  }

 private:
  void sweep() {
    const Handle done = std::move(sweep_);
    // A destructor may bury further objects, which live until the next turn.
    const std::vector<std::shared_ptr<void>> over = std::exchange(buried_, {});
  }

  Timers& timers_;
  std::vector<std::shared_ptr<void>> buried_;
  Handle sweep_;
};

}  // namespace layby

#endif  // LAYBY_BASE_LIFETIME_H_
