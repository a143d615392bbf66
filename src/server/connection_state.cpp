// SPDX-License-Identifier: Apache-2.0
//
// The transitions between the states of a connection.

#include "server/connection_state.h"

namespace layby::server {

bool may_follow(ConnectionState from, ConnectionState to) {
  using State = ConnectionState;
  switch (to) {
    case State::kIdle:
    case State::kLingering:
      return from == State::kSending;
    case State::kReading:
      return from == State::kIdle;
    case State::kHandling:
      return from == State::kReading;
    case State::kSending:
      return from == State::kReading || from == State::kHandling;
    case State::kClosed:
      return from != State::kClosed;
  }
  return false;
}

}  // namespace layby::server
