// SPDX-License-Identifier: Apache-2.0
//
// A process that dies of a bad page of memory may have been led there by a damaged
// index, which it would read again at each start. So its last act is to leave a mark
// that makes the next start look first.

#ifndef LAYBY_SRC_APP_CRASH_MARK_H_
#define LAYBY_SRC_APP_CRASH_MARK_H_

#include <string>

namespace layby::app {

// From now on a SIGSEGV, SIGBUS or SIGABRT makes an empty file at `path` before it ends
// the process. Does nothing under the sanitizers, which report these themselves.
void mark_crashes(const std::string& path);

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_CRASH_MARK_H_
