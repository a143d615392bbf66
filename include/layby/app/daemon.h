// SPDX-License-Identifier: Apache-2.0
//
// The whole daemon wired together: loop, helpers, store, upstreams, cache, server.

#ifndef LAYBY_APP_DAEMON_H_
#define LAYBY_APP_DAEMON_H_

#include <string>

#include "layby/app/config.h"
#include "layby/base/result.h"

namespace layby::app {

// Serves until SIGTERM or SIGINT, then drains for config.shutdown_grace at most. The lines of
// `notices_file` are shown as things that need attention. The file is read anew each time; an
// empty path or a missing file shows nothing. An error says why the daemon could not start.
Status serve(const Config& config, const std::string& notices_file = "");

}  // namespace layby::app

#endif  // LAYBY_APP_DAEMON_H_
