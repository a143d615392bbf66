// SPDX-License-Identifier: Apache-2.0
//
// What makes the body of an answer while the answer goes out. The server asks for bytes when
// the socket has room for them, so a slow client holds up its source and fills no memory.
// Lives on the loop thread.

#ifndef LAYBY_SERVER_BODY_SOURCE_H_
#define LAYBY_SERVER_BODY_SOURCE_H_

#include <cstddef>
#include <span>
#include <variant>

#include "layby/base/result.h"

namespace layby::server {

// The first `count` bytes of the buffer are the next bytes of the body. Above 0.
struct BodyBytes {
  std::size_t count = 0;
};
// No byte is here yet; the source calls on_more() when it can go on.
struct BodyWaits {};
// The body is whole.
struct BodyEnd {};

// An Error says why the body can't be finished.
using BodyRead = std::variant<BodyBytes, BodyWaits, BodyEnd, Error>;

class BodySource {
 public:
  class Listener {
   public:
    virtual ~Listener() = default;
    // read() may give more than BodyWaits now. The source may call this from inside its own
    // calls: the listener never calls or destroys the source in here, but in a later turn of
    // the loop. A call that nobody waits for does nothing.
    virtual void on_more() = 0;
  };

  // Ends the work for the body. Runs before the body is whole when the client has gone. Must
  // not call the listener.
  virtual ~BodySource() = default;
  // Called once, before the first read(). `listener` outlives the source.
  virtual void listen(Listener& listener) = 0;
  // Writes the next bytes of the body into `into`, which has room for at least 1 byte. Must
  // not wait for a disk or a peer. Not called again after BodyEnd or an Error.
  virtual BodyRead read(std::span<char> into) = 0;
};

}  // namespace layby::server

#endif  // LAYBY_SERVER_BODY_SOURCE_H_
