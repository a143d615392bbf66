// SPDX-License-Identifier: Apache-2.0
//
// Writes the sentence of each event's record to the log.

#ifndef LAYBY_EVENTS_LOG_LISTENER_H_
#define LAYBY_EVENTS_LOG_LISTENER_H_

#include "layby/events/event.h"

namespace layby::events {

// A listener for Events. Builds no text for an event whose level isn't logged.
void log_event(const Event& event);

}  // namespace layby::events

#endif  // LAYBY_EVENTS_LOG_LISTENER_H_
