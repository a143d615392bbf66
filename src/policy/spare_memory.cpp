// SPDX-License-Identifier: Apache-2.0

#include "layby/policy/spare_memory.h"

#include <algorithm>

namespace layby::policy {

bool SpareMemory::must_return(std::uint64_t free_bytes) {
  // If free memory has shrunk, the part that was given back may be in use again.
  returned_bytes_ = std::min(returned_bytes_, free_bytes);
  if (free_bytes - returned_bytes_ < kWorthwhileBytes) return false;
  returned_bytes_ = free_bytes;
  return true;
}

}  // namespace layby::policy
