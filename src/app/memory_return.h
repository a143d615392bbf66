// SPDX-License-Identifier: Apache-2.0
//
// Asks policy::SpareMemory every few seconds whether to give freed memory back to the system. Lives
// on the loop thread.

#ifndef LAYBY_SRC_APP_MEMORY_RETURN_H_
#define LAYBY_SRC_APP_MEMORY_RETURN_H_

#include "layby/base/async.h"
#include "layby/policy/spare_memory.h"

namespace layby::app {

class MemoryReturn {
 public:
  // `timers` outlives this object.
  explicit MemoryReturn(Timers& timers);

  MemoryReturn(const MemoryReturn&) = delete;
  MemoryReturn& operator=(const MemoryReturn&) = delete;

 private:
  void look();

  Timers& timers_;
  policy::SpareMemory spare_;
  Handle next_look_;
};

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_MEMORY_RETURN_H_
