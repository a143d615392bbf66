// SPDX-License-Identifier: Apache-2.0
//
// Keeps the loop from waiting for a disk. Before blob bytes are sent, a ColdRead asks the
// kernel whether they are in the page cache; if not, a helper thread reads them in first.
// Files on file systems that can't tell (tmpfs, overlayfs) count as warm. Lives on the loop
// thread.

#ifndef LAYBY_SERVER_COLD_READ_H_
#define LAYBY_SERVER_COLD_READ_H_

#include <cstdint>
#include <functional>

#include "layby/base/lifetime.h"
#include "layby/server/http_server.h"

namespace layby::server {

class ColdRead {
 public:
  // Calls `on_warm` each time a helper has read in cold bytes. `on_warm` may destroy this.
  ColdRead(const HttpServer::Context& context, std::function<void()> on_warm);

  // Whether bytes [offset, offset + length) of `fd` can be sent now. Returns false when a
  // helper must read them in first; on_warm follows. `available` bytes, at least `length`,
  // can be read from `offset` on; looking further ahead means asking the kernel less often.
  // Must not be called while reading().
  bool warm(int fd, std::uint64_t offset, std::uint64_t length, std::uint64_t available);
  // Whether a helper reads in bytes now; on_warm follows.
  bool reading() const { return reading_; }

  ColdRead(const ColdRead&) = delete;
  ColdRead& operator=(const ColdRead&) = delete;

 private:
  void read_in(int fd, std::uint64_t offset, std::uint64_t length);
  void on_read_in();

  const HttpServer::Context& context_;
  const std::function<void()> on_warm_;
  // The window that was found warm last, or given to a helper.
  std::uint64_t warm_from_ = 0;
  std::uint64_t warm_until_ = 0;
  bool was_cold_ = false;
  bool reading_ = false;
  Lifetime life_;
};

}  // namespace layby::server

#endif  // LAYBY_SERVER_COLD_READ_H_
