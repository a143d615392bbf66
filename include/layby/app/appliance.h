// SPDX-License-Identifier: Apache-2.0
//
// The whole daemon wired together: loop, helpers, store, upstreams, cache, server.

#ifndef LAYBY_APP_APPLIANCE_H_
#define LAYBY_APP_APPLIANCE_H_

#include "layby/app/config.h"
#include "layby/base/result.h"

namespace layby::app {

// Serves until SIGTERM or SIGINT, then drains for config.shutdown_grace at most. An
// error says why it could not start.
Status serve(const Config& config);

}  // namespace layby::app

#endif  // LAYBY_APP_APPLIANCE_H_
