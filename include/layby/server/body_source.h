// SPDX-License-Identifier: Apache-2.0
//
// A BodySource makes the body of an answer while the answer goes out. The server asks the source
// for bytes only when the socket has room, so a slow client slows down the source and fills no
// memory. Lives on the loop thread.

#ifndef LAYBY_SERVER_BODY_SOURCE_H_
#define LAYBY_SERVER_BODY_SOURCE_H_

#include <cstddef>
#include <span>
#include <variant>

#include "layby/base/result.h"

namespace layby::server {

// The first `count` bytes of the buffer are the next bytes of the body. `count` is above 0.
struct BodyBytes {
  std::size_t count = 0;
};
// The source has no byte yet, and calls on_more() when read() can go on.
struct BodyWaits {};
// The body is whole.
struct BodyEnd {};

// The Error says why the body can't be finished.
using BodyRead = std::variant<BodyBytes, BodyWaits, BodyEnd, Error>;

class BodySource {
 public:
  class Listener {
   public:
    virtual ~Listener() = default;
    // Tells the listener that read() may give more than BodyWaits now. The source may call
    // on_more() inside its own functions, because the listener calls or destroys the source only
    // in a later turn of the loop. A call is harmless when the listener doesn't wait.
    virtual void on_more() = 0;
  };

  // Ends the work for the body. The body may be unfinished, because clients may leave early. The
  // destructor must not call the listener.
  virtual ~BodySource() = default;
  // Called once, before the first read(). `listener` outlives the source.
  virtual void listen(Listener& listener) = 0;
  // Puts the next bytes of the body in `into`, which has room for at least 1 byte. read() must not
  // wait for a disk or a peer, and is not called again after BodyEnd or an Error.
  virtual BodyRead read(std::span<char> into) = 0;
};

}  // namespace layby::server

#endif  // LAYBY_SERVER_BODY_SOURCE_H_
