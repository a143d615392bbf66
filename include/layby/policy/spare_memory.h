// SPDX-License-Identifier: Apache-2.0
//
// Decides when freed memory is given back to the system. The C library keeps freed memory for the
// next allocation, so the memory of a burst of requests, or of one large manifest, would never go
// back. The return of memory takes time, and the system must map the memory again when the process
// needs it. So memory is given back only when a large amount was freed since the last return and
// isn't in use.

#ifndef LAYBY_POLICY_SPARE_MEMORY_H_
#define LAYBY_POLICY_SPARE_MEMORY_H_

#include <cstdint>

namespace layby::policy {

class SpareMemory {
 public:
  static constexpr std::uint64_t kWorthwhileBytes = 4 << 20;

  // `free_bytes` is the number of free bytes that the C library has, given back or not. Returns
  // whether the caller must give the free bytes back at once. Call must_return() every few seconds.
  bool must_return(std::uint64_t free_bytes);

 private:
  // An upper bound of the free bytes that were given back.
  std::uint64_t returned_bytes_ = 0;
};

}  // namespace layby::policy

#endif  // LAYBY_POLICY_SPARE_MEMORY_H_
