// SPDX-License-Identifier: Apache-2.0
//
// Gives blobs from the store or by a fill. Owns the table of fills in flight: one fill for each
// digest, shared by all repositories. Lives on the loop thread. Invariants: each fill is in
// fills_ or passing_ until the fill is over, and then in over_; a client joins only a fill that
// still has all bytes.

#ifndef LAYBY_CACHE_FILLS_H_
#define LAYBY_CACHE_FILLS_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "cache/fill.h"
#include "layby/base/ip_address.h"
#include "layby/base/lifetime.h"
#include "layby/policy/fair_slots.h"

namespace layby::cache {

class Fills {
 public:
  // Learns what clients ask for, and when the background may go on.
  class Watcher {
   public:
    virtual ~Watcher() = default;
    // A client opens a blob, which may have it. `stored`: upstream isn't needed.
    virtual void on_asked(const Origin& origin, const std::string& repository,
                          const oci::Digest& digest, bool stored) = 0;
    // background_may_go() may have changed.
    virtual void on_background() = 0;
  };

  Fills(const Rules& rules, Store& store, Timers& timers, const Clock& clock, Counters& counters,
        GrantChecks& grant_checks, events::Events& events);

  Handle open(const Origin& origin, const std::string& repository, const oci::Digest& digest,
              Cache::Done<std::unique_ptr<BlobReader>> done, const IpAddress& client);
  Handle head(const Origin& origin, const std::string& repository, const oci::Digest& digest,
              Cache::Done<BlobHead> done, const IpAddress& client);

  // Fetches a blob that isn't stored, in the background. Calls `done` with Ok when the blob is
  // stored, or with an error if the blob can't be stored. Destroying the handle ends the fill,
  // unless somebody else wants the blob.
  Handle fetch(const Origin& origin, const std::string& repository, const oci::Digest& digest,
               std::function<void(Status)> done);
  // Fetches a blob that isn't stored, in the background. The fill runs to its end.
  void fetch(const Origin& origin, const std::string& repository, const oci::Digest& digest);
  // Like the first fetch(), for a blob that a client will soon want. The bytes that come while no
  // client waits for the blob are added to `bytes`.
  Handle fetch_ahead(const Origin& origin, const std::string& repository, const oci::Digest& digest,
                     std::shared_ptr<std::uint64_t> bytes, std::function<void(Status)> done);
  // `watcher` hears of later calls; null removes the watcher.
  void watch(Watcher* watcher) { watcher_ = watcher; }
  bool is_coming(const oci::Digest& digest) const { return find(digest) != nullptr; }
  // Whether the blob's fill goes on in the background after its clients have left.
  bool was_left(const oci::Digest& digest) const;
  // Whether fills in the background may use the link now.
  bool background_may_go() const { return background_.may_go(); }
  // The bytes that the blob's fill has written; 0 when the blob has no fill.
  std::uint64_t written_bytes(const oci::Digest& digest) const;
  // Bytes a second for all background fills together; 0 for no limit.
  void set_background_rate(std::uint64_t max_rate) { background_.set_max_rate(max_rate); }

  // Fills in the background displace nothing that `spare` names. A further call replaces `spare`.
  using Sparing = std::function<Spare()>;
  void spare_for_background(Sparing spare) { sparing_ = std::move(spare); }

  std::vector<FillStatus> status() const;
  bool full() const { return room_.full(); }

 private:
  class Fetch;

  // Whether upstream must be asked before the blob is served in this repository.
  bool needs_grant_check(const Origin& origin, const std::string& repository,
                         const oci::Digest& digest) const;
  Handle open_granted(const Origin& origin, const std::string& repository,
                      const oci::Digest& digest, Cache::Done<std::unique_ptr<BlobReader>> done,
                      const IpAddress& client);
  Handle head_granted(const Origin& origin, const std::string& repository,
                      const oci::Digest& digest, Cache::Done<BlobHead> done,
                      const IpAddress& client);
  // Why the blob should not be asked for now: upstream refused the blob a moment ago, or can't be
  // asked.
  std::optional<Error> why_not(const Origin& origin, const std::string& repository,
                               const oci::Digest& digest);
  void tell_asked(const Origin& origin, const std::string& repository, const oci::Digest& digest,
                  bool stored);
  std::uint64_t reserved_bytes() const;
  // The fills whose first byte has not come.
  policy::LineUse line_use(const IpAddress& client) const;
  void update_background();
  // Ends the fill that a caller of fetch() left, unless somebody else wants the blob.
  void abandon(const oci::Digest& digest);
  Fill* find(const oci::Digest& digest) const;
  void stop_keeping();
  // Takes an ended fill out of fills_ or passing_, and destroys the fill in the next turn.
  void forget(const Fill& fill);
  // Takes a fill out of fills_ or passing_.
  std::unique_ptr<Fill> take(const Fill& fill);
  Fill& start(const Origin& origin, const std::string& repository, const oci::Digest& digest);

  Room room_;
  Background background_;
  Sparing sparing_;
  Watcher* watcher_ = nullptr;
  UnknownContent unknown_;
  std::map<const Origin*, policy::Hedge> hedges_;  // One for each origin that was asked for a blob.
  LinkUse link_;
  const Fill::Context context_;
  std::unordered_map<oci::Digest, std::unique_ptr<Fill>> fills_;
  // Unkept fills that have released bytes, so that no new reader can join.
  std::vector<std::unique_ptr<Fill>> passing_;
  Graveyard over_;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_FILLS_H_
