// SPDX-License-Identifier: Apache-2.0
//
// Passes each event to all listeners. Lives on the loop thread.

#ifndef LAYBY_EVENTS_EVENTS_H_
#define LAYBY_EVENTS_EVENTS_H_

#include <functional>
#include <list>

#include "layby/base/async.h"
#include "layby/events/event.h"

namespace layby::events {

class Events {
 public:
  using Listener = std::function<void(const Event&)>;

  Events() = default;
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;
  ~Events();

  // Calls every listener, in the order in which they began to listen.
  void tell(const Event& event);

  // `listener` hears every event until the handle is destroyed. The handle must be destroyed
  // before this object. A listener must not tell events, begin listening or end listening.
  [[nodiscard]] Handle listen(Listener listener);

 private:
  class Ear;

  std::list<Listener> listeners_;
  bool telling_ = false;
};

}  // namespace layby::events

#endif  // LAYBY_EVENTS_EVENTS_H_
