// SPDX-License-Identifier: Apache-2.0
//
// A damaged index can crash the process, and would crash it again at each start. So a process
// that crashes leaves a mark, and the next start checks the index first.

#ifndef LAYBY_SRC_APP_CRASH_MARK_H_
#define LAYBY_SRC_APP_CRASH_MARK_H_

#include <string>

namespace layby::app {

// From now on a SIGSEGV, SIGBUS or SIGABRT creates an empty file at `path` before it ends the
// process. May be called once. Does nothing under the sanitizers, which report these signals
// themselves.
void mark_crashes(const std::string& path);

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_CRASH_MARK_H_
