// SPDX-License-Identifier: Apache-2.0
//
// A pool of threads over two queues, one queue for each kind of work. Any thread may take any
// kind; each kind has a limit of running work. A lane runs its work in order without a thread of
// its own.
//
// Invariants: a lane is in the pool's queue, or running, at most once (`scheduled`). A lane with
// waiting work is always scheduled. Each kind's running work is within the kind's limit, and the
// limit of long work is below the number of threads. If waiting work may run within the limit of
// its kind, a thread is awake to take the work, or all threads are busy. No work is left when the
// threads have ended.

#include "layby/event/workers.h"

#include <algorithm>
#include <cassert>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace layby::event {

enum class WorkKind { kShort, kLong };

struct Workers::Pool {
  struct Item {
    std::uint64_t number = 0;
    std::function<void()> work;
  };

  struct Kind {
    const int limit;
    int running = 0;
    std::deque<Item> waiting = {};

    bool may_run() const { return !waiting.empty() && running < limit; }
  };

  explicit Pool(int count)
      : thread_count(std::max(count, 2)), short_work{count}, long_work{std::max(count / 2, 1)} {
    assert(count > 0 && long_work.limit < thread_count);
  }

  const int thread_count;
  std::mutex mutex;
  std::condition_variable ready;
  Kind short_work;              // Guarded by mutex.
  Kind long_work;               // Guarded by mutex.
  std::uint64_t submitted = 0;  // Guarded by mutex. The number of the last item.
  bool closing = false;         // Guarded by mutex.
  std::vector<std::thread> threads;

  void submit(WorkKind kind, std::function<void()> work) {
    assert(work);
    {
      const std::lock_guard lock(mutex);
      Kind& queue = kind == WorkKind::kShort ? short_work : long_work;
      queue.waiting.push_back({++submitted, std::move(work)});
    }
    ready.notify_one();
  }

  // The kind of the oldest work that may run; null if no work may run. Work may run while its kind
  // is below its limit.
  Kind* next() {
    if (!short_work.may_run()) return long_work.may_run() ? &long_work : nullptr;
    if (!long_work.may_run()) return &short_work;
    const bool long_is_older = long_work.waiting.front().number < short_work.waiting.front().number;
    return long_is_older ? &long_work : &short_work;
  }

  // Runs the oldest waiting work of `kind`. The mutex is unlocked while the work runs.
  void run_one(Kind& kind, std::unique_lock<std::mutex>& lock) {
    auto work = std::move(kind.waiting.front().work);
    kind.waiting.pop_front();
    ++kind.running;
    assert(kind.running <= kind.limit);
    assert(short_work.running + long_work.running <= thread_count);
    // Wakes a thread for the next work. submit() has woken a thread for the next work too, but that
    // thread may have found the kind at its limit and gone back to sleep.
    if (next() != nullptr) ready.notify_one();
    lock.unlock();
    work();
    work = nullptr;
    lock.lock();
    --kind.running;
    assert(kind.running >= 0);
  }

  // A thread takes work until the pool closes. Work that waits at a limit when the pool closes is
  // run by the threads that already run work of the same kind.
  void run() {
    std::unique_lock lock(mutex);
    for (;;) {
      ready.wait(lock, [this] { return closing || next() != nullptr; });
      Kind* const kind = next();
      if (kind == nullptr) return;
      run_one(*kind, lock);
    }
  }
};

struct Lane::Queue : std::enable_shared_from_this<Lane::Queue> {
  Queue(std::shared_ptr<Workers::Pool> p, WorkKind k) : pool(std::move(p)), kind(k) {}

  const std::shared_ptr<Workers::Pool> pool;
  const WorkKind kind;
  std::mutex mutex;
  std::deque<std::function<void()>> waiting;  // Guarded by mutex.
  bool scheduled = false;                     // Guarded by mutex. Queued in the pool, or running.

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
    pool->submit(kind, [self = shared_from_this()] { self->run_one(); });
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
      assert(scheduled);  // So submit() did not schedule the lane a second time.
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
  assert(queue_ != nullptr);  // A moved-from Lane has no queue.
  queue_->submit(std::move(work));
}

Workers::Workers(int threads) : pool_(std::make_shared<Pool>(threads)) {
  for (int i = 0; i < pool_->thread_count; ++i) {
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
  assert(pool_->short_work.waiting.empty() && pool_->long_work.waiting.empty());
}

Lane Workers::make_lane() { return Lane(std::make_shared<Lane::Queue>(pool_, WorkKind::kShort)); }

Lane Workers::make_long_lane() {
  return Lane(std::make_shared<Lane::Queue>(pool_, WorkKind::kLong));
}

void Workers::submit(std::function<void()> work) {
  pool_->submit(WorkKind::kShort, std::move(work));
}

void Workers::submit_long(std::function<void()> work) {
  pool_->submit(WorkKind::kLong, std::move(work));
}

}  // namespace layby::event
