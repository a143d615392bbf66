// SPDX-License-Identifier: Apache-2.0
//
// The outcome of an attempt to send a part of an answer.

#ifndef LAYBY_SERVER_SEND_OUTCOME_H_
#define LAYBY_SERVER_SEND_OUTCOME_H_

#include <cerrno>
#include <cstdint>

namespace layby::server {

enum class SendOutcome {
  kOut,             // All bytes have been sent.
  kWaitsForSocket,  // The socket is full, or the turn's budget is spent. Go on when writable.
  kWaitsForBytes,   // The next bytes are missing. The source of the bytes says when to go on.
  kBroken,          // The answer can't be finished. Close the connection.
};

// The outcome of a system call that sent nothing and set errno.
inline SendOutcome outcome_of_failed_send() {
  return errno == EAGAIN || errno == EINTR ? SendOutcome::kWaitsForSocket : SendOutcome::kBroken;
}

// The most that one connection sends before other connections get their turn.
constexpr std::uint64_t kTurnBytes = 512 << 10;

}  // namespace layby::server

#endif  // LAYBY_SERVER_SEND_OUTCOME_H_
