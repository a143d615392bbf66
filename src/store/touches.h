// SPDX-License-Identifier: Apache-2.0
//
// Uses of stored content are gathered in RAM and written to the index many at a time, so that
// serving clients causes few disk writes. A power cut loses the unwritten uses, which only changes
// the order of eviction. Touches live on the loop thread; apply() runs on a helper thread.

#ifndef LAYBY_STORE_TOUCHES_H_
#define LAYBY_STORE_TOUCHES_H_

#include <cstdint>
#include <map>
#include <optional>

#include "layby/base/clock.h"
#include "store/index.h"

namespace layby::store {

struct Touch {
  std::uint32_t hits = 0;  // 0 for a first pull, which was counted when the content was stored.
  WallTime last;
};
using TouchMap = std::map<Content, Touch>;

class Touches {
 public:
  void add(const Content& content, std::uint32_t hits, WallTime now);
  // Returns all uses and forgets them.
  TouchMap take();
  const TouchMap& all() const { return touches_; }
  // Whether there are so many uses that they should be written, to free their RAM.
  bool many() const;

 private:
  TouchMap touches_;
};

// A use of a manifest counts as a use of the manifest's blobs too: a client that has a layer
// already doesn't ask for the layer, but needs it all the same.
Status apply(WriteTxn& txn, const TouchMap& touches);

}  // namespace layby::store

#endif  // LAYBY_STORE_TOUCHES_H_
