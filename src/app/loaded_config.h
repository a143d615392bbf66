// SPDX-License-Identifier: Apache-2.0
//
// A configuration with all that the daemon reads from the disk for it: passwords, the certificate.
// Loading fails for all that the daemon would trip over, so that `layby config check` finds it too.

#ifndef LAYBY_SRC_APP_LOADED_CONFIG_H_
#define LAYBY_SRC_APP_LOADED_CONFIG_H_

#include <string>
#include <vector>

#include "app/tls_files.h"
#include "app/upstreams.h"
#include "layby/app/config.h"

namespace layby::app {

// The members after `faults` are complete if there are no faults.
struct LoadedConfig {
  Config config;
  std::vector<ConfigFault> faults;
  std::vector<UpstreamPlan> upstreams;
  LoadedIdentity identity;  // Null without HTTPS.
  bool from_file = false;   // False for the defaults, which apply without a file.
};

// Blocks on the disk.
LoadedConfig load_all(ConfigOutcome outcome, CheckedBy user = CheckedBy::kDaemon);

// Reads the configuration of a running daemon again. A file that is missing or empty is a fault,
// because somebody is about to write the file, or has removed it by mistake. Only while the
// `defaults` are in force, a missing file means the defaults. Blocks on the disk.
LoadedConfig reload_config(const std::string& path, bool defaults);

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_LOADED_CONFIG_H_
