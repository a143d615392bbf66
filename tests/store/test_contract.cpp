// SPDX-License-Identifier: Apache-2.0
//
// The contract suite of cache::Store and cache::OperatorStore, run on the disk and on the fake.

#include <deque>
#include <functional>
#include <utility>

#include "store/disk_harness.h"
#include "support/fake_store.h"
#include "support/store_contract.h"

namespace layby::testing {
namespace {

// A fake store that runs its callbacks itself.
class FakeHarness {
 public:
  FakeStore& store() { return store_; }
  void turn_until(const std::function<bool()>& condition) {
    store_.run_pending();
    EXPECT_TRUE(condition());
  }

 private:
  FakeStore store_;
};

// A fake store whose callbacks the test's timers defer.
class FakeTimersHarness {
 public:
  FakeStore& store() { return store_; }
  void turn_until(const std::function<bool()>& condition) {
    while (!timers_.due.empty()) {
      const auto call = std::move(timers_.due.front());
      timers_.due.pop_front();
      call();
    }
    EXPECT_TRUE(condition());
  }

 private:
  struct Queue final : Timers {
    Handle after(std::chrono::milliseconds, std::function<void()>) override { return nullptr; }
    void defer(std::function<void()> then) override { due.push_back(std::move(then)); }
    std::deque<std::function<void()>> due;
  };
  Queue timers_;
  FakeStore store_{timers_};
};

using Harnesses = ::testing::Types<DiskHarness, FakeHarness, FakeTimersHarness>;
INSTANTIATE_TYPED_TEST_SUITE_P(Every, StoreContract, Harnesses);

}  // namespace
}  // namespace layby::testing
