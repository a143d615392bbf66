// SPDX-License-Identifier: Apache-2.0
//
// Builds the upstreams of a configuration. A Guard stands before each registry and each parent.
// Failover asks the parent before the registry.

#ifndef LAYBY_SRC_APP_UPSTREAMS_H_
#define LAYBY_SRC_APP_UPSTREAMS_H_

#include <cassert>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "layby/admin/snapshot.h"
#include "layby/app/config.h"
#include "layby/base/clock.h"
#include "layby/base/counters.h"
#include "layby/base/result.h"
#include "layby/cache/cache.h"
#include "layby/cache/guard.h"
#include "layby/events/events.h"
#include "layby/upstream/multi.h"
#include "layby/upstream/registry.h"

namespace layby::app {

// All that is needed to build one upstream of the configuration.
struct UpstreamPlan {
  std::string name;
  std::string address;  // The registry's URL in the configuration.
  std::vector<std::string> allow;
  std::vector<std::string> deny;
  bool is_private = false;
  cache::GuardRules guard;
  upstream::RegistryOptions registry;
  std::optional<upstream::RegistryOptions> parent;

  bool operator==(const UpstreamPlan&) const = default;
};

// Reads the password files; blocks on the disk. Fails if a password file can't be read.
Result<std::vector<UpstreamPlan>> plan_upstreams(const Config& config);

class Upstreams {
 public:
  // Everything in Context outlives the origins.
  struct Context {
    upstream::Multi& multi;
    Timers& timers;
    const Clock& clock;
    Counters& counters;
    events::Events& events;
    const cache::Rules& rules;
    std::string box;  // The id of this box in requests (http::make_box_id()).
  };
  Upstreams(std::vector<UpstreamPlan> plans, const Context& context);

  // May be called once. states() still uses the origins afterwards.
  std::vector<cache::Origin> take_origins() {
    assert(origins_.size() == watched_.size());
    return std::move(origins_);
  }

  // May be called only while the origins exist.
  std::vector<admin::UpstreamState> states() const;

 private:
  struct Watched {
    std::string name;
    std::string url;
    const cache::Guard* registry = nullptr;
    const cache::Guard* parent = nullptr;  // Null without a parent.
  };

  void add(UpstreamPlan plan, const Context& context);

  std::vector<cache::Origin> origins_;
  std::vector<Watched> watched_;
};

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_UPSTREAMS_H_
