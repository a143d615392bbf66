// SPDX-License-Identifier: Apache-2.0
//
// Uses of stored content, gathered in RAM and written to the index many at a time, so
// that serving wears no flash. A power cut loses those that were not written yet, and
// with them no more than an order of eviction. Loop thread, but for apply().

#ifndef LAYBY_STORE_TOUCHES_H_
#define LAYBY_STORE_TOUCHES_H_

#include <cstdint>
#include <map>
#include <optional>

#include "layby/base/clock.h"
#include "store/index.h"

namespace layby::store {

struct Touch {
  std::uint32_t hits = 0;
  WallTime last;
};
using TouchMap = std::map<Content, Touch>;

class Touches {
 public:
  void add(const Content& content, WallTime now);
  // All of them; there are none afterwards.
  TouchMap take();
  const TouchMap& all() const { return touches_; }
  // They should be written, for the RAM they take.
  bool many() const;

 private:
  TouchMap touches_;
};

// A use of an image's manifest counts for its blobs too: a client that has a layer
// already doesn't ask for it, and needs it no less.
Status apply(WriteTxn& txn, const TouchMap& touches);

}  // namespace layby::store

#endif  // LAYBY_STORE_TOUCHES_H_
