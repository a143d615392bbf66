// SPDX-License-Identifier: Apache-2.0
//
// A small upstream request and its retries, as one Operation. Destroying the handle cancels the
// attempt under way and the wait before the next attempt. Invariant: `done` is called at most
// once.

#ifndef LAYBY_CACHE_WITH_RETRIES_H_
#define LAYBY_CACHE_WITH_RETRIES_H_

#include <cassert>
#include <functional>
#include <memory>
#include <utility>

#include "cache/attempts.h"
#include "layby/base/async.h"
#include "layby/base/result.h"

namespace layby::cache {

template <typename T>
class Retried final : public Operation {
 public:
  using Done = std::function<void(Result<T>)>;
  using Start = std::function<Handle(Done)>;

  Retried(const policy::RetryRules& rules, Timers& timers, Counters& counters, Start start,
          Done done)
      : attempts_(rules, timers, counters), start_(std::move(start)), done_(std::move(done)) {
    assert(done_);
    attempt();
  }

 private:
  void attempt() {
    attempt_ = start_([this](Result<T> result) { on_answer(std::move(result)); });
  }

  void on_answer(Result<T> result) {
    assert(attempt_ && done_);
    if (!result.ok() && attempts_.retry(result.error(), [this] { attempt(); })) return;
    const Done done = std::move(done_);  // `done` may destroy this request.
    done(std::move(result));
  }

  Attempts attempts_;
  const Start start_;
  Done done_;
  Handle attempt_;
};

// Calls `start` for each attempt, with a callback for the attempt's answer. Calls `done` with the
// first good answer, or with the last error when `rules` allow no further attempt. `rules` must
// outlive the request.
template <typename T>
Handle with_retries(const policy::RetryRules& rules, Timers& timers, Counters& counters,
                    typename Retried<T>::Start start, typename Retried<T>::Done done) {
  return std::make_unique<Retried<T>>(rules, timers, counters, std::move(start), std::move(done));
}

}  // namespace layby::cache

#endif  // LAYBY_CACHE_WITH_RETRIES_H_
