// SPDX-License-Identifier: Apache-2.0
//
// The blobs of the benchmark of a large index: number n has the digest of the text
// "blob n" and a size that follows from n. scale.py computes the same digests.

#ifndef LAYBY_TESTS_BENCH_SCALE_BLOBS_H_
#define LAYBY_TESTS_BENCH_SCALE_BLOBS_H_

#include <cstdint>
#include <string>

#include "layby/oci/digest.h"

namespace layby::bench {

inline oci::Digest digest_of_number(std::uint64_t number) {
  return oci::Digest::of("blob " + std::to_string(number));
}

// A size from 200 bytes to 64 KiB, spread by Knuth's multiplicative hash.
inline std::uint64_t size_of_number(std::uint64_t number) {
  return 200 + number * 2654435761u % (64 * 1024 - 200);
}

}  // namespace layby::bench

#endif  // LAYBY_TESTS_BENCH_SCALE_BLOBS_H_
