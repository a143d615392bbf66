// SPDX-License-Identifier: Apache-2.0
//
// The upstreams of a configuration: each registry behind its guard, and behind a parent
// where it has one.

#ifndef LAYBY_SRC_APP_UPSTREAMS_H_
#define LAYBY_SRC_APP_UPSTREAMS_H_

#include <cassert>
#include <memory>
#include <vector>

#include "layby/admin/snapshot.h"
#include "layby/app/config.h"
#include "layby/base/clock.h"
#include "layby/base/counters.h"
#include "layby/base/result.h"
#include "layby/cache/cache.h"
#include "layby/cache/guard.h"
#include "layby/policy/quota.h"
#include "layby/upstream/multi.h"

namespace layby::app {

policy::QuotaReserve quota_reserve(const CountLimit& limit);

class Upstreams {
 public:
  // Reads the password files. What is passed by reference outlives the origins.
  static Result<Upstreams> make(const Config& config, upstream::Multi& multi, Timers& timers,
                                const Clock& clock, Counters& counters, events::Events& events);

  // May be called once. states() keeps looking at the origins.
  std::vector<cache::Origin> take_origins() {
    assert(origins_.size() == watched_.size());
    return std::move(origins_);
  }

  // May be called only while the origins live.
  std::vector<admin::UpstreamState> states() const;

 private:
  struct Watched {
    std::string name;
    std::string url;
    const cache::Guard* registry = nullptr;
    const cache::Guard* parent = nullptr;  // Null without a parent.
  };

  std::vector<cache::Origin> origins_;
  std::vector<Watched> watched_;
};

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_UPSTREAMS_H_
