// SPDX-License-Identifier: Apache-2.0
//
// The version of this program.

#ifndef LAYBY_APP_VERSION_H_
#define LAYBY_APP_VERSION_H_

namespace layby::app {

// "0.1.0": the version in CMake's project().
const char* version();

}  // namespace layby::app

#endif  // LAYBY_APP_VERSION_H_
