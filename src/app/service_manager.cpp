// SPDX-License-Identifier: Apache-2.0
//
// The daemon never waits for the service manager. When the manager's queue is full, WATCHDOG and
// STOPPING messages are dropped, and READY is sent again later. Invariant: fd_ is open only if the
// socket's name fits in a sockaddr_un.

#include "app/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "layby/base/log.h"
#include "layby/base/number.h"

namespace layby::app {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr milliseconds kAgain{500};
// The process may take this long to end after shutdown_grace.
constexpr milliseconds kEnd{10'000};
constexpr std::uint64_t kLongestWatchdog = 24 * 3600 * 1'000'000ull;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

std::optional<microseconds> watchdog() {
  const std::string pid = environment("WATCHDOG_PID");
  if (!pid.empty() && pid != std::to_string(::getpid())) return std::nullopt;
  const std::optional<std::uint64_t> wait = parse_number(environment("WATCHDOG_USEC"));
  if (!wait || *wait == 0) return std::nullopt;
  return microseconds(std::min(*wait, kLongestWatchdog));
}

bool is_full(int error) { return error == EAGAIN || error == ENOBUFS || error == EINTR; }

}  // namespace

ServiceManager::Request ServiceManager::asked_for() {
  return {environment("NOTIFY_SOCKET"), watchdog()};
}

ServiceManager::ServiceManager(Request request, Timers& timers)
    : request_(std::move(request)), timers_(timers) {
  if (request_.socket.empty()) return;
  const char first = request_.socket.front();
  if ((first != '/' && first != '@') || request_.socket.size() >= sizeof(sockaddr_un::sun_path)) {
    log::warn("NOTIFY_SOCKET is {}, which names no socket; the service manager gets no messages",
              request_.socket);
    return;
  }
  fd_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

void ServiceManager::ready(std::string status) {
  if (!fd_) return;
  if (!tell("READY=1\nSTATUS=" + status)) {
    again_ = timers_.after(kAgain, [this, status = std::move(status)]() { ready(status); });
    return;
  }
  if (request_.watchdog && !next_beat_) beat();
}

void ServiceManager::stopping(milliseconds grace) {
  again_.reset();
  tell("STOPPING=1\nEXTEND_TIMEOUT_USEC=" + std::to_string(microseconds(grace + kEnd).count()));
}

// Returns false if the manager's queue is full. A later call may then succeed.
bool ServiceManager::tell(const std::string& message) {
  if (!fd_) return true;
  assert(!request_.socket.empty() && request_.socket.size() < sizeof(sockaddr_un::sun_path));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  request_.socket.copy(address.sun_path, request_.socket.size());
  if (request_.socket.front() == '@') address.sun_path[0] = '\0';  // An abstract name, unix(7).
  const auto length =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + request_.socket.size());
  if (::sendto(fd_.get(), message.data(), message.size(), MSG_NOSIGNAL,
               reinterpret_cast<const sockaddr*>(&address), length) >= 0) {
    return true;
  }
  if (is_full(errno)) return false;
  log::warn("sending to the service manager at {} failed: {}", request_.socket,
            std::strerror(errno));
  return true;
}

// Sends a sign of life twice in the watchdog's time, so that one sign may be lost.
void ServiceManager::beat() {
  assert(fd_ && request_.watchdog);
  tell("WATCHDOG=1");
  const auto half = std::chrono::duration_cast<milliseconds>(*request_.watchdog / 2);
  next_beat_ = timers_.after(std::max(half, milliseconds(1)), [this] { beat(); });
}

}  // namespace layby::app
