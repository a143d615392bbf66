// SPDX-License-Identifier: Apache-2.0
//
// The helper threads make every call that can wait for a disk. The work of one Lane runs in
// order, one piece at a time; different lanes run in parallel. A piece of work posts its result
// to the loop by Loop::post.
//
// Short work is work that a client or a fill waits for: a read, a write, a commit. Long work is
// not urgent: a check of a blob, a walk through the index, the journal. Long work never occupies
// all threads, so short work never waits for long work to end.

#ifndef LAYBY_EVENT_WORKERS_H_
#define LAYBY_EVENT_WORKERS_H_

#include <functional>
#include <memory>

namespace layby::event {

class Workers;

// An ordered queue of work on the helper threads. Destroying a lane does not wait for its queued
// work. This work still runs, so it must own the objects that it uses.
class Lane {
 public:
  Lane(Lane&&) noexcept;
  Lane& operator=(Lane&&) noexcept;
  ~Lane();
  // May be called on any thread.
  void submit(std::function<void()> work);

  struct Queue;

 private:
  friend class Workers;
  explicit Lane(std::shared_ptr<Queue> queue);
  std::shared_ptr<Queue> queue_;
};

class Workers {
 public:
  // `threads` is above 0. Long work runs on at most half of the threads, but on at least one. With
  // `threads` = 1, a second thread is added, and short work runs one piece at a time.
  explicit Workers(int threads);
  // Runs all queued work, then joins the threads.
  ~Workers();

  // A lane of short work, and a lane of long work.
  Lane make_lane();
  Lane make_long_lane();
  // Queue a piece of short or long work. The oldest work begins first, but a kind of work that
  // already has as many threads as it may have is passed over. So both kinds get threads. May be
  // called on any thread.
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
