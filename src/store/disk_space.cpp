// SPDX-License-Identifier: Apache-2.0
//
// statvfs waits for the disk on some file systems, so it is asked by the helpers.

#include "store/disk_space.h"

#include <sys/statvfs.h>

#include <chrono>
#include <optional>
#include <utility>

namespace layby::store {
namespace {

constexpr std::chrono::seconds kFreshFor{2};

std::optional<Space> ask(const std::string& path) {
  struct statvfs info {};
  if (::statvfs(path.c_str(), &info) != 0) return std::nullopt;
  return Space{std::uint64_t{info.f_bavail} * info.f_frsize,
               std::uint64_t{info.f_blocks} * info.f_frsize};
}

}  // namespace

DiskSpace::DiskSpace(std::string path, event::Loop& loop, event::Workers& workers,
                     const Clock& clock)
    : path_(std::move(path)),
      loop_(loop),
      workers_(workers),
      clock_(clock),
      space_(ask(path_).value_or(Space{})),
      asked_at_(clock.steady_now()) {}

Space DiskSpace::get() {
  if (!asking_ && clock_.steady_now() - asked_at_ >= kFreshFor) refresh();
  return space_;
}

void DiskSpace::refresh() {
  asking_ = true;
  workers_.submit([path = path_, &loop = loop_, weak = std::weak_ptr(self_)] {
    loop.post([space = ask(path), weak] {
      const auto self = weak.lock();
      if (!self) return;
      DiskSpace& that = **self;
      that.asking_ = false;
      that.asked_at_ = that.clock_.steady_now();
      if (space) that.space_ = *space;
    });
  });
}

}  // namespace layby::store
