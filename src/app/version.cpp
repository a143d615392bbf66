// SPDX-License-Identifier: Apache-2.0
//
// The version comes from CMake's project(). Only this file is compiled again when the version
// changes.

#include "layby/app/version.h"

namespace layby::app {

const char* version() { return LAYBY_VERSION; }

}  // namespace layby::app
