// SPDX-License-Identifier: Apache-2.0
//
// A clock that moves only when a test moves it.

#ifndef LAYBY_TESTS_SUPPORT_FAKE_CLOCK_H_
#define LAYBY_TESTS_SUPPORT_FAKE_CLOCK_H_

#include <chrono>

#include "layby/base/clock.h"

namespace layby::testing {

class FakeClock final : public Clock {
 public:
  SteadyTime steady_now() const override { return steady_; }
  WallTime wall_now() const override { return wall_; }
  void advance(std::chrono::milliseconds by) {
    steady_ += by;
    wall_ += by;
  }
  void set_wall(WallTime wall) { wall_ = wall; }

 private:
  SteadyTime steady_{std::chrono::hours(1)};
  WallTime wall_{std::chrono::seconds(1'700'000'000)};
};

}  // namespace layby::testing

#endif  // LAYBY_TESTS_SUPPORT_FAKE_CLOCK_H_
