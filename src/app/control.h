// SPDX-License-Identifier: Apache-2.0
//
// The commands that the CLI sends to a running daemon, over the Unix socket only: list, pin, unpin
// and evict images, verify the stored blobs, run and plan the prefetch list, read the events,
// drain. Answers are JSON; an error is {"error": "a sentence"}.

#ifndef LAYBY_SRC_APP_CONTROL_H_
#define LAYBY_SRC_APP_CONTROL_H_

#include "app/prefetching.h"
#include "app/shutdown.h"
#include "layby/base/clock.h"
#include "layby/cache/cache.h"
#include "layby/cache/operator_store.h"
#include "layby/events/ring.h"
#include "layby/web/routes.h"

namespace layby::app {

// Everything in ControlContext outlives the routes.
struct ControlContext {
  const cache::Cache& cache;
  cache::Store& store;
  cache::OperatorStore& operator_store;  // The same object as `store`.
  Prefetching& prefetching;
  const events::Ring& ring;
  const Clock& clock;
  const Config& config;
  Shutdown& shutdown;
};

void add_control_routes(web::Routes& routes, const ControlContext& context);

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_CONTROL_H_
