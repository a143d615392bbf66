// SPDX-License-Identifier: Apache-2.0
//
// A small upstream request that is made again after a failure, as one Operation: its
// handle cancels the attempt under way and the wait for the next.

#ifndef LAYBY_CACHE_REQUEST_H_
#define LAYBY_CACHE_REQUEST_H_

#include <functional>
#include <memory>
#include <utility>

#include "cache/attempts.h"
#include "layby/base/result.h"
#include "layby/cache/async.h"

namespace layby::cache {

template <typename T>
class Request final : public Operation {
 public:
  using Done = std::function<void(Result<T>)>;
  using Start = std::function<Handle(Done)>;

  Request(const policy::RetryRules& rules, Timers& timers, Counters& counters, Start start,
          Done done)
      : attempts_(rules, timers, counters), start_(std::move(start)), done_(std::move(done)) {
    attempt();
  }

 private:
  void attempt() {
    attempt_ = start_([this](Result<T> result) { on_answer(std::move(result)); });
  }

  void on_answer(Result<T> result) {
    if (!result.ok() && attempts_.retry(result.error(), [this] { attempt(); })) return;
    const Done done = std::move(done_);  // It may destroy this request.
    done(std::move(result));
  }

  Attempts attempts_;
  const Start start_;
  Done done_;
  Handle attempt_;
};

// Calls `start` with a callback for its answer, again after failures as `rules` allow,
// and `done` with the last answer. The rules outlive the request.
template <typename T>
Handle request(const policy::RetryRules& rules, Timers& timers, Counters& counters,
               typename Request<T>::Start start, typename Request<T>::Done done) {
  return std::make_unique<Request<T>>(rules, timers, counters, std::move(start), std::move(done));
}

}  // namespace layby::cache

#endif  // LAYBY_CACHE_REQUEST_H_
