// SPDX-License-Identifier: Apache-2.0
//
// The helper threads make every call that can wait for a disk. The work of one Lane
// runs in order, one piece at a time; different lanes run in parallel. Results go back
// by Loop::post.
//
// A client or a fill waits for short work: a read, a write, a commit. Nobody is in a hurry for
// long work: a check of a blob, a walk through the index, the journal. Long work never
// occupies all threads, so short work never waits for long work to end.

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
  // `threads` is above 0. Long work runs on half of the threads at most, and on at least one.
  // A single thread does short work only, and a thread is added for long work.
  explicit Workers(int threads);
  // Runs the queued work, then joins the threads.
  ~Workers();

  // A lane of short work, and a lane of long work.
  Lane make_lane();
  Lane make_long_lane();
  // Run short work, and long work. The oldest work that may run begins first, so neither kind
  // starves. From any thread.
  void submit(std::function<void()> work);
  void submit_long(std::function<void()> work);

  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  struct Pool;

 private:
  std::shared_ptr<Pool> pool_;
};

}  // namespace layby::event

#endif  // LAYBY_EVENT_WORKERS_H_
