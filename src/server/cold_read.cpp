// SPDX-License-Identifier: Apache-2.0
//
// A window is warm when all its pages are in the page cache (cachestat, Linux 6.5) and its
// last byte can be read at once. The last byte matters because pages that are still being read
// from the disk count as cached, and pages arrive in order. If the kernel can't count pages, the
// first and last byte decide for the whole window.
//
// Invariants: the window [warm_from_, warm_until_) is warm, or a helper is making the window warm.
// At most one helper reads for a ColdRead.

#include "server/cold_read.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "layby/base/fd.h"

namespace layby::server {
namespace {

// One question to the kernel covers up to kProbeBytes. One read by a helper covers up to
// kReadInBytes. If the caller wants to send more bytes, the question or the read covers all these
// bytes.
constexpr std::uint64_t kProbeBytes = 1 << 20;
constexpr std::uint64_t kReadInBytes = 2 << 20;
constexpr std::size_t kScratchBytes = 128 << 10;

// cachestat(2); the C library has no name for it.
constexpr long kCachestat = 451;
struct CacheRange {
  std::uint64_t offset;
  std::uint64_t length;
};
struct CachePages {
  std::uint64_t cached;
  std::uint64_t dirty;
  std::uint64_t writeback;
  std::uint64_t evicted;
  std::uint64_t recently_evicted;
};

// Whether all pages are in the page cache; nullopt where the kernel can't tell.
std::optional<bool> all_present(int fd, std::uint64_t offset, std::uint64_t length) {
  static const auto page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  CacheRange range{offset, length};
  CachePages pages{};
  if (::syscall(kCachestat, fd, &range, &pages, 0) != 0) return std::nullopt;
  if (pages.cached == 0) return std::nullopt;  // overlayfs reports 0 for any file.
  return pages.cached >= (offset + length - 1) / page_bytes - offset / page_bytes + 1;
}

// Asking for a missing page makes the kernel read the page, so all_present() is asked first.
bool is_cached(int fd, std::uint64_t offset) {
  char byte = 0;
  iovec into{&byte, 1};
  const ssize_t n = ::preadv2(fd, &into, 1, static_cast<off_t>(offset), RWF_NOWAIT);
  return n >= 0 || errno != EAGAIN;
}

bool is_warm(int fd, std::uint64_t offset, std::uint64_t length) {
  assert(length > 0);
  const std::optional<bool> present = all_present(fd, offset, length);
  if (present ? !*present : !is_cached(fd, offset)) return false;
  return is_cached(fd, offset + length - 1);
}

// Blocks until the bytes are in the page cache. Ignores errors; sendfile will report the same
// error.
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
    : context_(context), on_warm_(std::move(on_warm)) {
  assert(on_warm_);
}

bool ColdRead::warm(int fd, std::uint64_t offset, std::uint64_t length, std::uint64_t available) {
  assert(!reading_ && length <= available);
  if (length == 0 || (offset >= warm_from_ && offset + length <= warm_until_)) return true;
  const std::uint64_t window = std::max(length, std::min(available, kProbeBytes));
  // Bytes after cold bytes are mostly cold too. If the bytes are warm, the helper is done at once.
  if (was_cold_ || !is_warm(fd, offset, window)) {
    was_cold_ = true;
    read_in(fd, offset, std::max(window, kReadInBytes));
    return false;
  }
  warm_from_ = offset;
  warm_until_ = offset + window;
  return true;
}

void ColdRead::read_in(int fd, std::uint64_t offset, std::uint64_t length) {
  assert(!reading_);
  reading_ = true;
  count(context_.counters.cold_reads);
  warm_from_ = offset;
  warm_until_ = offset + length;
  // The helper has its own descriptor, because the client may leave and close the blob.
  auto own = std::make_shared<UniqueFd>(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  context_.workers.submit(
      [own, offset, length, &loop = context_.loop, answer = life_.guard([this] { on_read_in(); })] {
        pull_in(own->get(), offset, length);
        loop.post(answer);
      });
}

void ColdRead::on_read_in() {
  assert(reading_);
  reading_ = false;
  // The callback may destroy this object and with it on_warm_, so a copy runs.
  const auto call = on_warm_;
  call();
}

}  // namespace layby::server
