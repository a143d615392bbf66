// SPDX-License-Identifier: Apache-2.0
//
// Owning pointers of libevent's objects. Only this module includes libevent.

#ifndef LAYBY_EVENT_LIBEVENT_PTR_H_
#define LAYBY_EVENT_LIBEVENT_PTR_H_

#include <event2/event.h>

#include <chrono>
#include <memory>

namespace layby::event {

struct FreeBase {
  void operator()(event_base* base) const { event_base_free(base); }
};
struct FreeEvent {
  void operator()(::event* e) const { event_free(e); }  // Removes the event from its base too.
};

using BasePtr = std::unique_ptr<event_base, FreeBase>;
using EventPtr = std::unique_ptr<::event, FreeEvent>;

inline timeval to_timeval(std::chrono::milliseconds delay) {
  if (delay.count() < 0) delay = std::chrono::milliseconds(0);
  timeval value{};
  value.tv_sec = static_cast<time_t>(delay.count() / 1000);
  value.tv_usec = static_cast<suseconds_t>(delay.count() % 1000 * 1000);
  return value;
}

}  // namespace layby::event

#endif  // LAYBY_EVENT_LIBEVENT_PTR_H_
