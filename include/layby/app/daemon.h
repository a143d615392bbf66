// SPDX-License-Identifier: Apache-2.0
//
// The whole daemon wired together: loop, helpers, store, upstreams, cache, server.

#ifndef LAYBY_APP_DAEMON_H_
#define LAYBY_APP_DAEMON_H_

#include <string>

#include "layby/app/config.h"
#include "layby/base/result.h"

namespace layby::app {

// Serves until SIGTERM or SIGINT, then drains for config.shutdown_grace at most. The pages show
// the lines of `notices_file` as things that need attention. The file is read for each page; with
// an empty path or a missing file, no notices are shown. An error says why the daemon could not
// start.
//
// `config` was read from `config_path`. An empty `config_path` stands for kConfigPath, if that file
// exists. The file is read again when it changes and after SIGHUP.
Status serve(const Config& config, const std::string& config_path,
             const std::string& notices_file = "");

}  // namespace layby::app

#endif  // LAYBY_APP_DAEMON_H_
