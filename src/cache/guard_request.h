// SPDX-License-Identifier: Apache-2.0
//
// The part that all requests of a guard share: a request can be given up until the first byte of
// its answer comes.

#ifndef LAYBY_CACHE_GUARD_REQUEST_H_
#define LAYBY_CACHE_GUARD_REQUEST_H_

#include <cassert>

#include "layby/cache/guard.h"

namespace layby::cache {

// A request that has no byte of an answer yet: it waits for a slot or a turn, or was sent.
class Guard::Unanswered {
 public:
  Unanswered(const Unanswered&) = delete;
  Unanswered& operator=(const Unanswered&) = delete;

  virtual bool was_sent() const = 0;
  // Ends the request. The owner hears of `error` a turn later.
  virtual void give_up(const Error& error) = 0;

 protected:
  explicit Unanswered(Guard& guard) : guard_(guard), number_(++guard.requests_made_) {
    guard_.unanswered_.emplace(number_, this);
  }
  ~Unanswered() { leave(); }
  void leave() { guard_.unanswered_.erase(number_); }

  Guard& guard_;

 private:
  const std::uint64_t number_;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_GUARD_REQUEST_H_
