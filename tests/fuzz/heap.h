// SPDX-License-Identifier: Apache-2.0
//
// Measures the heap of a piece of work, for the targets that require a bound of memory. Only a
// build with AddressSanitizer can measure; in other builds every peak is 0. One HeapPeak exists at
// a time.

#ifndef LAYBY_TESTS_FUZZ_HEAP_H_
#define LAYBY_TESTS_FUZZ_HEAP_H_

#include <cstddef>
#include <cstdint>

#if defined(__SANITIZE_ADDRESS__)
#define LAYBY_MEASURES_HEAP 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LAYBY_MEASURES_HEAP 1
#endif
#endif

#ifdef LAYBY_MEASURES_HEAP
#include <sanitizer/allocator_interface.h>

#include <atomic>
#endif

namespace layby::fuzz {

#ifdef LAYBY_MEASURES_HEAP

class HeapPeak {
 public:
  HeapPeak() {
    [[maybe_unused]] static const int once =
        __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
    peak_ = used_.load();
    begun_ = peak_;
  }
  // The most bytes by which the heap has grown since the construction.
  static std::uint64_t bytes() { return static_cast<std::uint64_t>(peak_ - begun_); }

 private:
  static void on_malloc(const volatile void*, std::size_t size) {
    const std::int64_t used = used_ += static_cast<std::int64_t>(size);
    if (used > peak_) peak_ = used;
  }
  static void on_free(const volatile void* at) {
    if (at == nullptr) return;
    used_ -= static_cast<std::int64_t>(__sanitizer_get_allocated_size(const_cast<const void*>(at)));
  }

  static inline std::atomic<std::int64_t> used_{0};
  static inline std::atomic<std::int64_t> peak_{0};
  static inline std::int64_t begun_ = 0;
};

#else

class HeapPeak {
 public:
  static std::uint64_t bytes() { return 0; }
};

#endif

}  // namespace layby::fuzz

#endif  // LAYBY_TESTS_FUZZ_HEAP_H_
