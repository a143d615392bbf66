// SPDX-License-Identifier: Apache-2.0
//
// A signal handler must not allocate memory (signal-safety(7)), so mark_crashes() stores the path.

#include "app/crash_mark.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cassert>
#include <climits>
#include <csignal>

#include "layby/base/log.h"

namespace layby::app {
namespace {

std::array<char, PATH_MAX> g_path{};

// SA_RESETHAND has restored the signal's default action, so raise() here ends the process.
void on_fatal_signal(int number) {
  const int fd =
      ::open(g_path.data(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640);
  if (fd >= 0) ::close(fd);
  log::flush_in_crash();
  ::raise(number);
}

}  // namespace

void mark_crashes(const std::string& path) {
#ifndef LAYBY_SANITIZED
  // A second call would change g_path while the handler may read g_path.
  assert(g_path.front() == '\0');
  if (path.size() >= g_path.size()) return;
  path.copy(g_path.data(), path.size());
  struct sigaction action {};
  action.sa_handler = on_fatal_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_NODEFER);
  for (const int number : {SIGSEGV, SIGBUS, SIGABRT}) ::sigaction(number, &action, nullptr);
#else
  static_cast<void>(path);
  static_cast<void>(on_fatal_signal);
#endif
}

}  // namespace layby::app
