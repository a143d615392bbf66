// SPDX-License-Identifier: Apache-2.0
//
// Decides when freed memory is given back to the system. The C library keeps freed memory for the
// next allocation, so a burst of requests, or one large manifest, would hold its memory for ever.
// Giving memory back takes time, and memory that is used again must be mapped again. So only a
// large amount that was freed since the last time, and that nobody has used since, is given back.

#ifndef LAYBY_POLICY_SPARE_MEMORY_H_
#define LAYBY_POLICY_SPARE_MEMORY_H_

#include <cstdint>

namespace layby::policy {

class SpareMemory {
 public:
  static constexpr std::uint64_t kWorthwhileBytes = 4 << 20;

  // `free_bytes` are the freed bytes that the C library has now, given back or not. Returns whether
  // the caller must give them back now. To be called every few seconds.
  bool must_return(std::uint64_t free_bytes);

 private:
  // At most this many of the free bytes were given back.
  std::uint64_t returned_bytes_ = 0;
};

}  // namespace layby::policy

#endif  // LAYBY_POLICY_SPARE_MEMORY_H_
