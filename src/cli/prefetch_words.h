// SPDX-License-Identifier: Apache-2.0
//
// The words for a prefetch run. A terminal and a file get the same words. Pure.

#ifndef LAYBY_SRC_CLI_PREFETCH_WORDS_H_
#define LAYBY_SRC_CLI_PREFETCH_WORDS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "cli/prefetch_look.h"

namespace layby::cli {

// "12 current, 3 done, 1 failed, 20 waiting"; images at work are not counted.
std::string counts(const PrefetchLook& look);

// "37.0%  1.2 GB of 3.3 GB, 11.2 MB/s, 3m 20s left"; unknown figures are left out.
std::string total(const PrefetchLook& look, std::optional<std::uint64_t> bytes_per_second);

// "waiting: the pulls are used up"; empty if the run doesn't wait.
std::string why_it_waits(const PrefetchLook& look);

// "alpine:3: failed: no such tag", "alpine:3: done, 3.4 MB". The image is done or given up.
std::string end_of(const PrefetchImage& image);

// The last line: the outcome of a run that has ended.
std::string verdict(const PrefetchLook& look);

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_PREFETCH_WORDS_H_
