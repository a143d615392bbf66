// SPDX-License-Identifier: Apache-2.0
//
// Delays Ctrl-C until the command asks whether Ctrl-C came. So a command that follows the daemon
// can print a last line.

#ifndef LAYBY_SRC_CLI_DEFERRED_INTERRUPT_H_
#define LAYBY_SRC_CLI_DEFERRED_INTERRUPT_H_

#include <pthread.h>

#include <chrono>
#include <csignal>

namespace layby::cli {

// Blocks SIGINT while the object exists. comes_within() consumes a pending SIGINT.
class DeferredInterrupt {
 public:
  DeferredInterrupt() {
    sigemptyset(&interrupt_);
    sigaddset(&interrupt_, SIGINT);
    pthread_sigmask(SIG_BLOCK, &interrupt_, &before_);
  }
  DeferredInterrupt(const DeferredInterrupt&) = delete;
  DeferredInterrupt& operator=(const DeferredInterrupt&) = delete;
  ~DeferredInterrupt() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

  // Waits for `pause` and returns false. Returns true at once when Ctrl-C is pending or arrives.
  bool comes_within(std::chrono::milliseconds pause) const {
    const auto whole = std::chrono::duration_cast<std::chrono::seconds>(pause);
    const std::chrono::nanoseconds rest = pause - whole;
    const timespec limit{.tv_sec = static_cast<time_t>(whole.count()),
                         .tv_nsec = static_cast<long>(rest.count())};
    return sigtimedwait(&interrupt_, nullptr, &limit) == SIGINT;
  }

 private:
  sigset_t interrupt_{};
  sigset_t before_{};
};

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_DEFERRED_INTERRUPT_H_
