// SPDX-License-Identifier: Apache-2.0
//
// A certificate and its key are two files, so half of a renewal may be read. Such a pair
// doesn't match; it is refused, and read again at the next change. Invariants: identity_ is set
// after load(); at most one reading is under way, while reading_ is true.

#include "app/tls_files.h"

#include <cassert>
#include <utility>

#include "layby/base/log.h"

namespace layby::app {
namespace {

constexpr std::chrono::days kWarnBefore{14};
constexpr std::chrono::hours kWarnEvery{24};

}  // namespace

Result<std::unique_ptr<TlsFiles>> TlsFiles::load(const Context& context,
                                                 server::TlsIdentity::Files files,
                                                 std::function<void(Identity)> on_changed) {
  auto made =
      std::unique_ptr<TlsFiles>(new TlsFiles(context, std::move(files), std::move(on_changed)));
  Reading first = read(made->files_, std::nullopt, nullptr);
  assert(first.identity);  // Nothing was known, so the files were read.
  if (!first.identity->ok()) return first.identity->error();
  made->identity_ = **std::move(first.identity);
  made->marks_ = first.marks;
  made->warn_of_end();
  made->look();
  return made;
}

TlsFiles::TlsFiles(const Context& context, server::TlsIdentity::Files files,
                   std::function<void(Identity)> on_changed)
    : context_(context), files_(std::move(files)), on_changed_(std::move(on_changed)) {}

TlsFiles::Marks TlsFiles::marks_of(const server::TlsIdentity::Files& files) {
  return {mark_of(files.certificate_file), mark_of(files.key_file)};
}

TlsFiles::Reading TlsFiles::read(const server::TlsIdentity::Files& files,
                                 const std::optional<Marks>& known, const Identity& before) {
  Reading reading{marks_of(files), std::nullopt};
  if (known != reading.marks) {
    reading.identity = server::TlsIdentity::load(files, before.get());
  }
  return reading;
}

void TlsFiles::look() {
  timer_ = context_.loop.after(kFileLook, [this] { look(); });
  if (context_.clock.steady_now() - warned_at_ >= kWarnEvery) warn_of_end();
  if (std::exchange(reading_, true)) return;
  context_.workers.submit([this, &loop = context_.loop, files = files_, known = marks_,
                           before = identity_, alive = std::weak_ptr<bool>(alive_)] {
    loop.post([this, alive, reading = read(files, known, before)]() mutable {
      if (!alive.expired()) on_read(std::move(reading));
    });
  });
}

void TlsFiles::reload() {
  marks_.reset();
  look();
}

void TlsFiles::on_read(Reading reading) {
  assert(reading_ && identity_);
  reading_ = false;
  if (!reading.identity) return;
  marks_ = reading.marks;
  if (!reading.identity->ok()) {
    log::error("tls: {}; the last good certificate stays in force",
               reading.identity->error().message);
    return;
  }
  identity_ = **std::move(reading.identity);
  log::info("tls: a new certificate is in force");
  warn_of_end();
  on_changed_(identity_);
}

void TlsFiles::warn_of_end() {
  assert(identity_);
  warned_at_ = context_.clock.steady_now();
  const auto left = identity_->expires_at() - context_.clock.wall_now();
  if (left > kWarnBefore) return;
  const auto days = std::chrono::floor<std::chrono::days>(left).count();
  log::warn("tls: the certificate in {} {}; clients refuse an expired certificate",
            files_.certificate_file,
            days < 0 ? "has expired" : "expires in " + std::to_string(days) + " days");
}

}  // namespace layby::app
