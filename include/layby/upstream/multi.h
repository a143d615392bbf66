// SPDX-License-Identifier: Apache-2.0
//
// The one libcurl multi handle, driven by the event loop and shared by all registries.
// Registries share its idle connections and its limit on the link's use by blobs. Nothing
// polls: curl names the sockets and the time that it waits for. Outlives the registries.
// Loop thread only. The process must ignore SIGPIPE, which TLS on a broken connection
// raises.

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
  // Bytes a second of all blobs together, shared fairly; 0 for no limit. Small requests
  // count against the limit but don't wait for it.
  std::uint64_t max_rate = 0;
};

class Multi {
 public:
  // kIo when libcurl can't be set up. `loop` outlives the Multi.
  static Result<std::unique_ptr<Multi>> create(event::Loop& loop, MultiOptions options = {});
  ~Multi();
  Multi(const Multi&) = delete;
  Multi& operator=(const Multi&) = delete;

  // Changes MultiOptions::max_rate. Transfers under way obey the new limit at once.
  void set_max_rate(std::uint64_t bytes_per_second);

  // For this module's own use.
  Driver& driver() { return *driver_; }

 private:
  explicit Multi(std::unique_ptr<Driver> driver);
  std::unique_ptr<Driver> driver_;
};

}  // namespace layby::upstream

#endif  // LAYBY_UPSTREAM_MULTI_H_
