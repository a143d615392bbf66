// SPDX-License-Identifier: Apache-2.0
//
// The helper threads: they own every call that can wait for a disk. Work of one Lane
// runs in order, one at a time; lanes run beside each other. Results go back by
// Loop::post.

#ifndef LAYBY_EVENT_WORKERS_H_
#define LAYBY_EVENT_WORKERS_H_

#include <functional>
#include <memory>

namespace layby::event {

class Workers;

// An ordered queue of work on the helper threads. Destroying it waits for nothing:
// what is queued still runs, so work must own what it uses.
class Lane {
 public:
  Lane(Lane&&) noexcept;
  Lane& operator=(Lane&&) noexcept;
  ~Lane();
  // From any thread.
  void submit(std::function<void()> work);

  struct Queue;

 private:
  friend class Workers;
  explicit Lane(std::shared_ptr<Queue> queue);
  std::shared_ptr<Queue> queue_;
};

class Workers {
 public:
  explicit Workers(int threads);
  // Runs what is queued, then joins.
  ~Workers();

  Lane make_lane();
  // Work that needs no order.
  void submit(std::function<void()> work);

  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  struct Pool;

 private:
  std::shared_ptr<Pool> pool_;
};

}  // namespace layby::event

#endif  // LAYBY_EVENT_WORKERS_H_
