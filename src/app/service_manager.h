// SPDX-License-Identifier: Apache-2.0
//
// Tells the service manager (sd_notify(3)) that the daemon serves, that the daemon stops and, if a
// watchdog is set, that the daemon's loop still runs. Each message is one datagram to
// $NOTIFY_SOCKET; without this variable no message is sent. Lives on the loop thread.

#ifndef LAYBY_SRC_APP_SERVICE_MANAGER_H_
#define LAYBY_SRC_APP_SERVICE_MANAGER_H_

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "layby/base/async.h"
#include "layby/base/fd.h"
#include "layby/base/result.h"

namespace layby::app {

class ServiceManager {
 public:
  // The messages that the manager asked for in the environment.
  struct Request {
    std::string socket;  // A path, or a name after '@'; empty for no messages.
    std::optional<std::chrono::microseconds> watchdog;  // The longest time between signs of life.
  };
  // Reads $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID. Ignores a watchdog for another
  // process.
  static Request asked_for();

  // `timers` outlives the ServiceManager.
  ServiceManager(Request request, Timers& timers);

  // Tells the manager that the daemon serves, with `status` as a line for people. Then begins to
  // send signs of life.
  void ready(std::string status);
  // Tells the manager that the daemon stops, and asks for the time `grace` and 10 s more.
  void stopping(std::chrono::milliseconds grace);

 private:
  bool tell(const std::string& message);
  void beat();

  const Request request_;
  Timers& timers_;
  UniqueFd fd_;
  Handle again_;
  Handle next_beat_;
};

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_SERVICE_MANAGER_H_
