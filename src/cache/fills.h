// SPDX-License-Identifier: Apache-2.0
//
// Blobs, from the store or by a fill: the table of fills in flight, one a digest,
// whoever asked and under whatever name. Lives on the loop thread.

#ifndef LAYBY_CACHE_FILLS_H_
#define LAYBY_CACHE_FILLS_H_

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "cache/fill.h"

namespace layby::cache {

class Fills {
 public:
  Fills(const Rules& rules, Store& store, Timers& timers, Counters& counters);

  Handle open(const Origin& origin, const std::string& repository, const oci::Digest& digest,
              Cache::Done<std::unique_ptr<BlobReader>> done);
  Handle head(const Origin& origin, const std::string& repository, const oci::Digest& digest,
              Cache::Done<BlobHead> done);

  void fetch(const Origin& origin, const std::string& repository, const oci::Digest& digest);

  std::vector<FillStatus> status() const;
  bool full() const { return room_.full(); }

 private:
  std::uint64_t reserved_bytes() const;
  void stop_keeping();
  void forget(const Fill& fill);
  Fill& start(const Origin& origin, const std::string& repository, const oci::Digest& digest);

  Room room_;
  const Fill::Context context_;
  std::unordered_map<oci::Digest, std::unique_ptr<Fill>> fills_;
  // Not stored, and in part gone already: for those who read them only.
  std::vector<std::unique_ptr<Fill>> passing_;
  std::vector<std::unique_ptr<Fill>> over_;  // Destroyed at the next turn.
  Handle sweep_;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_FILLS_H_
