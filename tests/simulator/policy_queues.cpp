// SPDX-License-Identifier: Apache-2.0
//
// The eviction policies that consist of queues: LRU, segmented LRU, S3-FIFO.

#include <list>
#include <unordered_map>

#include "simulator/policy.h"

namespace layby::simulator {
namespace {

// A list of objects that also counts their bytes.
class Queue {
 public:
  void push_front(Object object, std::uint64_t size_bytes) {
    list_.push_front(object);
    places_[object] = {list_.begin(), size_bytes};
    bytes_ += size_bytes;
  }
  void remove(Object object) {
    const auto it = places_.find(object);
    list_.erase(it->second.place);
    bytes_ -= it->second.size_bytes;
    places_.erase(it);
  }
  Object back() const { return list_.back(); }
  bool has(Object object) const { return places_.contains(object); }
  bool empty() const { return list_.empty(); }
  std::uint64_t bytes() const { return bytes_; }

 private:
  struct Place {
    std::list<Object>::iterator place;
    std::uint64_t size_bytes = 0;
  };
  std::list<Object> list_;
  std::unordered_map<Object, Place> places_;
  std::uint64_t bytes_ = 0;
};

class Lru : public Policy {
 public:
  void on_stored(const Use& use) override { queue_.push_front(use.object, use.size_bytes); }
  void on_used(const Use& use) override {
    queue_.remove(use.object);
    queue_.push_front(use.object, use.size_bytes);
  }
  Object evict() override {
    const Object victim = queue_.back();
    queue_.remove(victim);
    return victim;
  }

 private:
  Queue queue_;
};

class SegmentedLru : public Policy {
 public:
  SegmentedLru(const Trace& trace, std::uint64_t capacity_bytes)
      : trace_(trace), most_protected_bytes_(capacity_bytes / 5 * 4) {}

  void on_stored(const Use& use) override { trial_.push_front(use.object, use.size_bytes); }
  void on_used(const Use& use) override {
    (trial_.has(use.object) ? trial_ : protected_).remove(use.object);
    protected_.push_front(use.object, use.size_bytes);
    while (protected_.bytes() > most_protected_bytes_) {
      const Object demoted = protected_.back();
      protected_.remove(demoted);
      trial_.push_front(demoted, trace_.sizes_bytes[demoted]);
    }
  }
  Object evict() override {
    Queue& queue = trial_.empty() ? protected_ : trial_;
    const Object victim = queue.back();
    queue.remove(victim);
    return victim;
  }

 private:
  const Trace& trace_;
  std::uint64_t most_protected_bytes_;
  Queue trial_;
  Queue protected_;
};

class S3Fifo : public Policy {
 public:
  S3Fifo(const Trace& trace, std::uint64_t capacity_bytes)
      : trace_(trace),
        small_bytes_(capacity_bytes / 10),
        ghost_bytes_(capacity_bytes / 10 * 9),
        uses_(trace.sizes_bytes.size()) {}

  void on_stored(const Use& use) override {
    uses_[use.object] = 0;
    if (ghost_.has(use.object)) {
      ghost_.remove(use.object);
      main_.push_front(use.object, use.size_bytes);
    } else {
      small_.push_front(use.object, use.size_bytes);
    }
  }
  void on_used(const Use& use) override {
    if (uses_[use.object] < 3) ++uses_[use.object];
  }
  Object evict() override {
    while (!small_.empty() && (small_.bytes() >= small_bytes_ || main_.empty())) {
      const Object last = small_.back();
      small_.remove(last);
      if (uses_[last] <= 1) {
        remember(last);
        return last;
      }
      uses_[last] = 0;
      main_.push_front(last, trace_.sizes_bytes[last]);
    }
    return evict_from_main();
  }

 private:
  Object evict_from_main() {
    while (true) {
      const Object last = main_.back();
      main_.remove(last);
      if (uses_[last] == 0) return last;
      --uses_[last];
      main_.push_front(last, trace_.sizes_bytes[last]);
    }
  }
  void remember(Object object) {
    ghost_.push_front(object, trace_.sizes_bytes[object]);
    while (ghost_.bytes() > ghost_bytes_) ghost_.remove(ghost_.back());
  }

  const Trace& trace_;
  std::uint64_t small_bytes_;
  std::uint64_t ghost_bytes_;
  std::vector<std::uint8_t> uses_;
  Queue small_;
  Queue main_;
  Queue ghost_;
};

}  // namespace

bool Policy::admits(const Use&, std::uint64_t) const { return true; }

std::uint64_t Policy::bytes_to_evict(std::uint64_t capacity_bytes, std::uint64_t cached_bytes,
                                     std::uint64_t new_bytes) const {
  const std::uint64_t wanted = cached_bytes + new_bytes;
  return wanted > capacity_bytes ? wanted - capacity_bytes : 0;
}

std::unique_ptr<Policy> make_lru() { return std::make_unique<Lru>(); }

std::unique_ptr<Policy> make_segmented_lru(const Trace& trace, std::uint64_t capacity_bytes) {
  return std::make_unique<SegmentedLru>(trace, capacity_bytes);
}

std::unique_ptr<Policy> make_s3_fifo(const Trace& trace, std::uint64_t capacity_bytes) {
  return std::make_unique<S3Fifo>(trace, capacity_bytes);
}

}  // namespace layby::simulator
