// SPDX-License-Identifier: Apache-2.0
//
// The one libcurl multi handle, driven by the event loop. All registries share the handle's idle
// connections and the one rate limit of all blobs. curl says which sockets to watch and how long to
// wait, so nothing polls. The Multi outlives the registries. Loop thread only. The process must
// ignore SIGPIPE, because TLS on a broken connection raises SIGPIPE.

#ifndef LAYBY_UPSTREAM_MULTI_H_
#define LAYBY_UPSTREAM_MULTI_H_

#include <cstdint>
#include <memory>

#include "layby/base/result.h"
#include "layby/event/loop.h"

namespace layby::upstream {

class Driver;

struct MultiOptions {
  long max_idle_connections = 32;
  // The limit in bytes a second for all blobs together, shared fairly; 0 for no limit. Small
  // requests count against the limit, but never wait.
  std::uint64_t max_rate = 0;
};

class Multi {
 public:
  // Fails with kIo when libcurl can't be set up. `loop` outlives the Multi.
  static Result<std::unique_ptr<Multi>> create(event::Loop& loop, MultiOptions options = {});
  ~Multi();
  Multi(const Multi&) = delete;
  Multi& operator=(const Multi&) = delete;

  // Changes MultiOptions::max_rate. Transfers under way obey the new limit at once.
  void set_max_rate(std::uint64_t bytes_per_second);

  // Names a TCP port on which this process serves. No registry may send us to this port of this
  // machine.
  void add_own_port(std::uint16_t port);

  // Only the upstream module may call driver().
  Driver& driver() { return *driver_; }

 private:
  explicit Multi(std::unique_ptr<Driver> driver);
  std::unique_ptr<Driver> driver_;
};

}  // namespace layby::upstream

#endif  // LAYBY_UPSTREAM_MULTI_H_
