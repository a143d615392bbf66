// SPDX-License-Identifier: Apache-2.0
//
// The helper threads make every call that can wait for a disk. The work of one Lane
// runs in order, one piece at a time; different lanes run in parallel. Results go back
// by Loop::post.

#ifndef LAYBY_EVENT_WORKERS_H_
#define LAYBY_EVENT_WORKERS_H_

#include <functional>
#include <memory>

namespace layby::event {

class Workers;

// An ordered queue of work on the helper threads. Destroying a lane does not wait. Its
// queued work still runs, so the work must own what it uses.
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
  // `threads` is above 0.
  explicit Workers(int threads);
  // Runs the queued work, then joins the threads.
  ~Workers();

  Lane make_lane();
  // Runs `work` in no particular order.
  void submit(std::function<void()> work);

  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  struct Pool;

 private:
  std::shared_ptr<Pool> pool_;
};

}  // namespace layby::event

#endif  // LAYBY_EVENT_WORKERS_H_
