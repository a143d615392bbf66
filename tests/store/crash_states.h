// SPDX-License-Identifier: Apache-2.0
//
// The disks that a power cut may leave. An operation that was synced before the cut is on the disk.
// Any other operation is loose: the disk may have it or not. Bytes are loose in any combination,
// and a write may be torn at a sector. Names have two models. In order, as in a journal (ext4,
// XFS): the disk has the names up to some moment, and no later names. In any order, as POSIX
// allows: each name is there or not. In both models only the sync of a folder makes its names
// durable, and a rename is one step.

#ifndef LAYBY_TESTS_STORE_CRASH_STATES_H_
#define LAYBY_TESTS_STORE_CRASH_STATES_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "store/disk_recorder.h"

namespace layby::testing {

enum class NameOrder { kInOrder, kAny };

// The part of a loose write that is on the disk.
struct Torn {
  std::size_t loose = 0;  // Which of the loose operations.
  std::size_t from = 0;   // Bytes of the write.
  std::size_t to = 0;
};

// What the disk has of the loose operations.
struct Loss {
  std::vector<bool> kept;
  std::optional<Torn> torn = {};
  // Whether a lost write still makes its file longer, with zeros instead of the bytes.
  bool zeros = false;
};

// A power cut after the first `end` operations.
class CrashPoint {
 public:
  CrashPoint(const Recording& recording, std::size_t end, NameOrder order);

  std::size_t end() const { return end_; }
  std::size_t loose() const { return loose_.size(); }
  Loss loss(bool kept) const { return {std::vector<bool>(loose_.size(), kept)}; }
  // Only the loose operation `which` is lost, or only this operation is kept. With kInOrder, all
  // names after a lost name are lost too, and all names before a kept name are kept too.
  Loss only(std::size_t which, bool kept) const;
  // Everything is kept, but the write `which` is torn at the border of a sector; nullopt if the
  // write has no such border.
  std::optional<Loss> torn(std::size_t which, std::size_t sector, bool front,
                           std::mt19937& random) const;
  Loss random(std::mt19937& random) const;

  DiskImage image(const Loss& loss) const;
  std::string describe(const Loss& loss) const;

 private:
  void find_loose();
  bool is_loose_name(std::size_t which) const;
  void put_in_order(Loss& loss) const;
  void apply(const DiskOp& op, DiskImage& image) const;

  const Recording& recording_;
  const std::size_t end_;
  const NameOrder order_;
  std::vector<std::size_t> loose_;  // Operations, oldest first.
  DiskImage base_;                  // Before the first loose operation.
};

// The first and the last point, the point before each sync, and every `step`-th point. `after_too`
// adds the point after each sync.
std::vector<std::size_t> crash_points(const Recording& recording, std::size_t step, bool after_too);

}  // namespace layby::testing

#endif  // LAYBY_TESTS_STORE_CRASH_STATES_H_
