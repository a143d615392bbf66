// SPDX-License-Identifier: Apache-2.0
//
// A damaged index can crash the process at each start. Therefore a process that crashes leaves a
// mark. The next process finds the mark and checks the index first.

#ifndef LAYBY_SRC_APP_CRASH_MARK_H_
#define LAYBY_SRC_APP_CRASH_MARK_H_

#include <string>

namespace layby::app {

// After this call, a SIGSEGV, SIGBUS or SIGABRT creates an empty file at `path` before the signal
// ends the process. May be called once. Does nothing in a build with sanitizers, because the
// sanitizers report these signals themselves.
void mark_crashes(const std::string& path);

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_CRASH_MARK_H_
