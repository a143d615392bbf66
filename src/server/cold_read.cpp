// SPDX-License-Identifier: Apache-2.0
//
// The kernel reads ahead in order, so the first and the last byte of a window speak
// for what is between them.

#include "server/cold_read.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "layby/base/fd.h"

namespace layby::server {
namespace {

// How far two probes speak for what is between them.
constexpr std::uint64_t kProbeBytes = 1 << 20;
constexpr std::uint64_t kReadInBytes = 2 << 20;
constexpr std::size_t kScratchBytes = 128 << 10;

bool is_cached(int fd, std::uint64_t offset) {
  char byte = 0;
  iovec into{&byte, 1};
  const ssize_t n = ::preadv2(fd, &into, 1, static_cast<off_t>(offset), RWF_NOWAIT);
  return n >= 0 || errno != EAGAIN;
}

// Blocks until the bytes are in the page cache, or can't be had: sendfile will tell.
void pull_in(int fd, std::uint64_t offset, std::uint64_t length) {
  ::posix_fadvise(fd, static_cast<off_t>(offset), static_cast<off_t>(length), POSIX_FADV_WILLNEED);
  std::vector<char> scratch(kScratchBytes);
  for (const std::uint64_t end = offset + length; offset < end;) {
    const auto wanted = std::min<std::uint64_t>(scratch.size(), end - offset);
    const ssize_t n = ::pread(fd, scratch.data(), wanted, static_cast<off_t>(offset));
    if (n <= 0) return;
    offset += static_cast<std::uint64_t>(n);
  }
}

}  // namespace

ColdRead::ColdRead(const HttpServer::Context& context, std::function<void()> on_warm)
    : context_(context), on_warm_(std::make_shared<std::function<void()>>(std::move(on_warm))) {}

ColdRead::~ColdRead() { *on_warm_ = nullptr; }

bool ColdRead::warm(int fd, std::uint64_t offset, std::uint64_t length, std::uint64_t available) {
  if (length == 0 || (offset >= warm_from_ && offset + length <= warm_until_)) return true;
  const std::uint64_t window = std::max(length, std::min(available, kProbeBytes));
  if (!is_cached(fd, offset) || !is_cached(fd, offset + window - 1)) {
    read_in(fd, offset, std::max(window, kReadInBytes));
    return false;
  }
  warm_from_ = offset;
  warm_until_ = offset + window;
  return true;
}

void ColdRead::read_in(int fd, std::uint64_t offset, std::uint64_t length) {
  count(context_.counters.cold_reads);
  warm_from_ = offset;
  warm_until_ = offset + length;
  // A descriptor of its own: the client may leave and close the blob meanwhile.
  auto own = std::make_shared<UniqueFd>(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  context_.workers.submit([own, offset, length, &loop = context_.loop, then = on_warm_] {
    pull_in(own->get(), offset, length);
    loop.post([then] {
      if (const auto call = *then) call();  // May destroy the ColdRead, and so *then.
    });
  });
}

}  // namespace layby::server
