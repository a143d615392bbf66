// SPDX-License-Identifier: Apache-2.0
//
// A configuration, with the passwords and the certificate that the configuration names. load_all()
// finds every fault that would stop the daemon, so that `layby config check` finds the same faults.

#ifndef LAYBY_SRC_APP_LOADED_CONFIG_H_
#define LAYBY_SRC_APP_LOADED_CONFIG_H_

#include <string>
#include <vector>

#include "app/tls_files.h"
#include "app/upstreams.h"
#include "layby/app/config.h"

namespace layby::app {

// If there are no faults, all members are complete.
struct LoadedConfig {
  Config config;
  std::vector<ConfigFault> faults;
  std::vector<UpstreamPlan> upstreams;
  LoadedIdentity identity;  // Null without HTTPS.
  bool from_file = false;   // False for the defaults, which apply without a file.
};

// Blocks on the disk.
LoadedConfig load_all(ConfigOutcome outcome, CheckedBy user = CheckedBy::kDaemon);

// Reads the configuration of a running daemon again. A missing or empty file is a fault, because
// somebody is about to write the file, or has removed the file by mistake. But if `defaults` says
// that the defaults are in force, a missing file means the defaults. Blocks on the disk.
LoadedConfig reload_config(const std::string& path, bool defaults);

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_LOADED_CONFIG_H_
