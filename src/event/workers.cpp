// SPDX-License-Identifier: Apache-2.0
//
// A pool of threads over one queue of runnable items. A lane keeps its order without a
// thread of its own.
//
// Invariants: a lane is in the pool's queue, or running, at most once (`scheduled`). A lane
// with waiting work is always scheduled. No work is left when the threads have ended.

#include "layby/event/workers.h"

#include <cassert>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace layby::event {

struct Workers::Pool {
  std::mutex mutex;
  std::condition_variable ready;
  std::deque<std::function<void()>> runnable;  // Guarded by mutex.
  bool closing = false;                        // Guarded by mutex.
  std::vector<std::thread> threads;

  void submit(std::function<void()> work) {
    assert(work);
    {
      const std::lock_guard lock(mutex);
      runnable.push_back(std::move(work));
    }
    ready.notify_one();
  }

  void run() {
    std::unique_lock lock(mutex);
    for (;;) {
      ready.wait(lock, [this] { return closing || !runnable.empty(); });
      if (runnable.empty()) return;
      auto work = std::move(runnable.front());
      runnable.pop_front();
      lock.unlock();
      work();
      work = nullptr;
      lock.lock();
    }
  }
};

struct Lane::Queue : std::enable_shared_from_this<Lane::Queue> {
  explicit Queue(std::shared_ptr<Workers::Pool> p) : pool(std::move(p)) {}

  std::shared_ptr<Workers::Pool> pool;
  std::mutex mutex;
  std::deque<std::function<void()>> waiting;  // Guarded by mutex.
  bool scheduled = false;                     // Guarded by mutex: queued in the pool, or running.

  void submit(std::function<void()> work) {
    assert(work);
    {
      const std::lock_guard lock(mutex);
      assert(scheduled || waiting.empty());
      waiting.push_back(std::move(work));
      if (scheduled) return;
      scheduled = true;
    }
    schedule();
  }

  void schedule() {
    pool->submit([self = shared_from_this()] { self->run_one(); });
  }

  void run_one() {
    std::function<void()> work;
    {
      const std::lock_guard lock(mutex);
      assert(scheduled && !waiting.empty());
      work = std::move(waiting.front());
      waiting.pop_front();
    }
    work();
    work = nullptr;
    {
      const std::lock_guard lock(mutex);
      assert(scheduled);  // submit() cannot have scheduled the lane a second time.
      scheduled = !waiting.empty();
      if (!scheduled) return;
    }
    schedule();
  }
};

Lane::Lane(std::shared_ptr<Queue> queue) : queue_(std::move(queue)) {}
Lane::Lane(Lane&&) noexcept = default;
Lane& Lane::operator=(Lane&&) noexcept = default;
Lane::~Lane() = default;

void Lane::submit(std::function<void()> work) {
  assert(queue_ != nullptr);  // Null after a move.
  queue_->submit(std::move(work));
}

Workers::Workers(int threads) : pool_(std::make_shared<Pool>()) {
  assert(threads > 0);
  for (int i = 0; i < threads; ++i) {
    pool_->threads.emplace_back([pool = pool_.get()] { pool->run(); });
  }
}

Workers::~Workers() {
  {
    const std::lock_guard lock(pool_->mutex);
    pool_->closing = true;
  }
  pool_->ready.notify_all();
  for (auto& thread : pool_->threads) thread.join();
  assert(pool_->runnable.empty());
}

Lane Workers::make_lane() { return Lane(std::make_shared<Lane::Queue>(pool_)); }

void Workers::submit(std::function<void()> work) { pool_->submit(std::move(work)); }

}  // namespace layby::event
