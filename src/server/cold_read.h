// SPDX-License-Identifier: Apache-2.0
//
// Keeps the loop from waiting for a disk. Before blob bytes are sent, a ColdRead asks the kernel
// whether the bytes are in the page cache. If not, a helper thread first reads the bytes into the
// page cache. Files on file systems that can't tell (tmpfs, overlayfs) count as warm. Lives on
// the loop thread.

#ifndef LAYBY_SERVER_COLD_READ_H_
#define LAYBY_SERVER_COLD_READ_H_

#include <cstdint>
#include <functional>

#include "layby/base/lifetime.h"
#include "layby/server/http_server.h"

namespace layby::server {

class ColdRead {
 public:
  // Calls `on_warm` each time a helper has read cold bytes into the page cache. `on_warm` may
  // destroy the ColdRead.
  ColdRead(const HttpServer::Context& context, std::function<void()> on_warm);

  // Whether bytes [offset, offset + length) of `fd` can be sent now. If not, a helper reads the
  // bytes into the page cache, and on_warm follows. `available` is the number of bytes that the
  // file has from `offset` on, at least `length`. warm() looks further ahead than `length`, to ask
  // the kernel less often. Must not be called while reading() is true.
  bool warm(int fd, std::uint64_t offset, std::uint64_t length, std::uint64_t available);
  // Whether a helper is reading bytes into the page cache now; on_warm follows.
  bool reading() const { return reading_; }

  ColdRead(const ColdRead&) = delete;
  ColdRead& operator=(const ColdRead&) = delete;

 private:
  void read_in(int fd, std::uint64_t offset, std::uint64_t length);
  void on_read_in();

  const HttpServer::Context& context_;
  const std::function<void()> on_warm_;
  // The bytes that the kernel last called warm, or that a helper has read or is reading into the
  // page cache.
  std::uint64_t warm_from_ = 0;
  std::uint64_t warm_until_ = 0;
  bool was_cold_ = false;
  bool reading_ = false;
  Lifetime life_;
};

}  // namespace layby::server

#endif  // LAYBY_SERVER_COLD_READ_H_
