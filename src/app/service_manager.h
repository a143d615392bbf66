// SPDX-License-Identifier: Apache-2.0
//
// What the daemon tells the service manager that started it (sd_notify(3)): that it serves,
// that it stops, and, where a watchdog is set, that its loop still turns. Each is one datagram
// to $NOTIFY_SOCKET; without that nothing is told. Lives on the loop thread.

#ifndef LAYBY_SRC_APP_SERVICE_MANAGER_H_
#define LAYBY_SRC_APP_SERVICE_MANAGER_H_

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "layby/base/fd.h"
#include "layby/base/result.h"
#include "layby/cache/async.h"

namespace layby::app {

class ServiceManager {
 public:
  // What the manager said in the environment.
  struct Request {
    std::string socket;  // A path, or a name after '@'. Empty: nobody wants to be told.
    std::optional<std::chrono::microseconds> watchdog;  // How long it waits for a sign of life.
  };
  // $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID; a watchdog for another process is none.
  static Request asked_for();

  // `timers` outlives this.
  ServiceManager(Request request, cache::Timers& timers);

  // From now on the daemon serves, as `status` says, and gives signs of life.
  void ready(std::string status);
  // It ends within `grace`, for which the manager waits.
  void stopping(std::chrono::milliseconds grace);

 private:
  bool tell(const std::string& message);
  void beat();

  const Request request_;
  cache::Timers& timers_;
  UniqueFd fd_;
  cache::Handle again_;
  cache::Handle next_beat_;
};

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_SERVICE_MANAGER_H_
