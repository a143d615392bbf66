// SPDX-License-Identifier: Apache-2.0
//
// Builds the upstreams of a configuration. A Guard stands before each registry and each parent.
// Failover asks the parent before the registry.

#ifndef LAYBY_SRC_APP_UPSTREAMS_H_
#define LAYBY_SRC_APP_UPSTREAMS_H_

#include <memory>
#include <optional>
#include <string>
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
  int connections_per_blob = 1;
  cache::GuardRules guard;
  upstream::RegistryOptions registry;
  std::optional<upstream::RegistryOptions> parent;

  bool operator==(const UpstreamPlan&) const = default;
};

// Reads the password files; blocks on the disk. Fails if a password file can't be read.
Result<std::vector<UpstreamPlan>> plan_upstreams(const Config& config);

class Upstreams {
 public:
  // Everything in Context outlives the Upstreams and the origins.
  struct Context {
    upstream::Multi& multi;
    Timers& timers;
    const Clock& clock;
    Counters& counters;
    events::Events& events;
    const cache::Rules& rules;  // The rules in force, which may change.
    std::string box;            // The id of this box in requests (http::make_box_id()).
  };
  explicit Upstreams(const Context& context) : context_(context) {}

  // Makes the origins of `plans`. An upstream whose plan was also in the last call is kept, with
  // its tokens, its pull limit and the state of its link.
  std::vector<cache::Origin> make_origins(std::vector<UpstreamPlan> plans);

  // The state of each upstream that the last make_origins() returned.
  std::vector<admin::UpstreamState> states() const;

 private:
  struct Made {
    UpstreamPlan plan;
    std::shared_ptr<cache::Upstream> upstream;
    const cache::Guard* registry = nullptr;  // Part of `upstream`.
    const cache::Guard* parent = nullptr;    // Part of `upstream`; null without a parent.
  };

  Made make(UpstreamPlan plan) const;
  Made remake(UpstreamPlan plan) const;

  const Context context_;
  std::vector<Made> made_;
};

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_UPSTREAMS_H_
