// SPDX-License-Identifier: Apache-2.0
//
// The names of a fill's states, and the transitions between them.

#include "cache/fill_state.h"

namespace layby::cache {

bool may_follow(FillState from, FillState to) {
  switch (to) {
    case FillState::kOpening:
      return from == FillState::kVerifying;
    case FillState::kAsking:
      return from == FillState::kOpening || from == FillState::kWaiting ||
             from == FillState::kStreaming || from == FillState::kJoining;
    case FillState::kStreaming:
      return from == FillState::kAsking || from == FillState::kJoining;
    case FillState::kJoining:
      return from == FillState::kStreaming || from == FillState::kWaiting;
    case FillState::kWaiting:
      return from == FillState::kAsking || from == FillState::kStreaming;
    case FillState::kVerifying:
      return from == FillState::kOpening || from == FillState::kAsking ||
             from == FillState::kStreaming || from == FillState::kJoining;
    case FillState::kPublishing:
      return from == FillState::kVerifying;
    case FillState::kOver:
      return from != FillState::kOver;
  }
  return false;
}

std::string_view to_string(FillState state) {
  switch (state) {
    case FillState::kOpening:
      return "opening";
    case FillState::kAsking:
      return "asking";
    case FillState::kStreaming:
      return "streaming";
    case FillState::kJoining:
      return "joining";
    case FillState::kWaiting:
      return "waiting";
    case FillState::kVerifying:
      return "verifying";
    case FillState::kPublishing:
      return "publishing";
    case FillState::kOver:
      return "over";
  }
  return "";
}

}  // namespace layby::cache
