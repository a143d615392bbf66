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
  Fills(const Rules& rules, Store& store, Timers& timers, const Clock& clock, Counters& counters,
        Permits& permits);

  Handle open(const Origin& origin, const std::string& repository, const oci::Digest& digest,
              Cache::Done<std::unique_ptr<BlobReader>> done);
  Handle head(const Origin& origin, const std::string& repository, const oci::Digest& digest,
              Cache::Done<BlobHead> done);

  // Fetches a blob that isn't stored, behind what clients wait for, and calls `done` when
  // it is stored or why it is not. Without the handle it ends, unless others want it.
  Handle fetch(const Origin& origin, const std::string& repository, const oci::Digest& digest,
               std::function<void(Status)> done);
  // The same, to its end.
  void fetch(const Origin& origin, const std::string& repository, const oci::Digest& digest);
  // Of a blob under way; 0 of any other.
  std::uint64_t written_bytes(const oci::Digest& digest) const;
  // Of what no client waits for, bytes a second; 0 for no limit.
  void set_background_rate(std::uint64_t max_rate) { background_.set_max_rate(max_rate); }

  std::vector<FillStatus> status() const;
  bool full() const { return room_.full(); }

 private:
  class Fetch;

  // Whether upstream has to be asked before the blob is given in this repository.
  bool needs_permit(const Origin& origin, const std::string& repository,
                    const oci::Digest& digest) const;
  Handle open_permitted(const Origin& origin, const std::string& repository,
                        const oci::Digest& digest, Cache::Done<std::unique_ptr<BlobReader>> done);
  Handle head_permitted(const Origin& origin, const std::string& repository,
                        const oci::Digest& digest, Cache::Done<BlobHead> done);
  std::uint64_t reserved_bytes() const;
  void update_background();
  // Nobody waits for it to be stored any more.
  void abandon(const oci::Digest& digest);
  Fill* find(const oci::Digest& digest) const;
  void stop_keeping();
  void forget(const Fill& fill);
  Fill& start(const Origin& origin, const std::string& repository, const oci::Digest& digest);

  Room room_;
  Background background_;
  const Fill::Context context_;
  std::unordered_map<oci::Digest, std::unique_ptr<Fill>> fills_;
  // Not stored, and in part gone already: for those who read them only.
  std::vector<std::unique_ptr<Fill>> passing_;
  std::vector<std::unique_ptr<Fill>> over_;  // Destroyed at the next turn.
  Handle sweep_;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_FILLS_H_
