// SPDX-License-Identifier: Apache-2.0

#include "layby/policy/spare_memory.h"

#include <algorithm>

namespace layby::policy {

bool SpareMemory::must_return(std::uint64_t free_bytes) {
  // Free memory that became less was used again, perhaps memory that was given back.
  returned_bytes_ = std::min(returned_bytes_, free_bytes);
  if (free_bytes - returned_bytes_ < kWorthwhileBytes) return false;
  returned_bytes_ = free_bytes;
  return true;
}

}  // namespace layby::policy
