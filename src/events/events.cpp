// SPDX-License-Identifier: Apache-2.0
//
// A listener's place in the list never moves, so the listener's handle can erase the place.

#include "layby/events/events.h"

#include <cassert>
#include <memory>
#include <utility>

namespace layby::events {

class Events::Ear final : public Operation {
 public:
  Ear(Events& events, std::list<Listener>::iterator place) : events_(events), place_(place) {}
  ~Ear() override {
    assert(!events_.telling_ && "a listener must not end listening");
    events_.listeners_.erase(place_);
  }

 private:
  Events& events_;
  const std::list<Listener>::iterator place_;
};

Events::~Events() { assert(listeners_.empty() && "a listener outlives its events"); }

void Events::tell(const Event& event) {
  assert(!telling_ && "a listener must not tell events");
  telling_ = true;
  for (const Listener& listener : listeners_) listener(event);
  telling_ = false;
}

Handle Events::listen(Listener listener) {
  assert(!telling_ && "a listener must not begin listening");
  listeners_.push_back(std::move(listener));
  return std::make_unique<Ear>(*this, std::prev(listeners_.end()));
}

}  // namespace layby::events
