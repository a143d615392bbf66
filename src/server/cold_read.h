// SPDX-License-Identifier: Apache-2.0
//
// Keeps the loop from waiting for a disk: before blob bytes are sent, asks the kernel
// whether they are in the page cache and, if not, has a helper thread read them in first.
// File systems that can't tell (tmpfs, overlayfs) are taken as warm. Lives on the loop
// thread.

#ifndef LAYBY_SERVER_COLD_READ_H_
#define LAYBY_SERVER_COLD_READ_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "layby/server/http_server.h"

namespace layby::server {

class ColdRead {
 public:
  // `on_warm` is called when bytes that were cold have been read in.
  ColdRead(const HttpServer::Context& context, std::function<void()> on_warm);
  ~ColdRead();

  // Whether bytes [offset, offset + length) of `fd` can be sent now. False when a
  // helper reads them in, to be followed by on_warm. `available` is how many there are
  // from `offset` on: it looks that far ahead, to ask the kernel seldom.
  bool warm(int fd, std::uint64_t offset, std::uint64_t length, std::uint64_t available);

  ColdRead(const ColdRead&) = delete;
  ColdRead& operator=(const ColdRead&) = delete;

 private:
  void read_in(int fd, std::uint64_t offset, std::uint64_t length);

  const HttpServer::Context& context_;
  // Null when nobody waits any more; the helper's answer looks here.
  std::shared_ptr<std::function<void()>> on_warm_;
  // The window last found or made warm.
  std::uint64_t warm_from_ = 0;
  std::uint64_t warm_until_ = 0;
  bool was_cold_ = false;
};

}  // namespace layby::server

#endif  // LAYBY_SERVER_COLD_READ_H_
