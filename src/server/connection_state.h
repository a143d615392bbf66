// SPDX-License-Identifier: Apache-2.0
//
// The states of a connection. DESIGN.md has the state diagram.

#ifndef LAYBY_SERVER_CONNECTION_STATE_H_
#define LAYBY_SERVER_CONNECTION_STATE_H_

namespace layby::server {

enum class ConnectionState {
  kIdle,       // Between requests; no byte of the next request has been read.
  kReading,    // A part of a head has been read.
  kHandling,   // The handler works on the answer.
  kSending,    // The answer goes out.
  kLingering,  // Our end is closed. The client's bytes are read and thrown away, because unread
               // bytes would cause a reset that may take the answer from the client.
  kClosed,     // The socket is closed. The owner destroys the connection.
};

// The arrows of the state diagram in DESIGN.md.
bool may_follow(ConnectionState from, ConnectionState to);

}  // namespace layby::server

#endif  // LAYBY_SERVER_CONNECTION_STATE_H_
