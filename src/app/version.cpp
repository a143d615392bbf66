// SPDX-License-Identifier: Apache-2.0
//
// The version comes from CMake's project(); this is the only file that is compiled
// again when it changes.

#include "layby/app/version.h"

namespace layby::app {

const char* version() { return LAYBY_VERSION; }

}  // namespace layby::app
