// SPDX-License-Identifier: Apache-2.0
//
// A certificate and its key are two files. During a renewal, a new certificate may be read with the
// old key. A pair that doesn't match is refused, and both files are read again at the next change.
// Invariant: identity_ is set.

#include "app/tls_files.h"

#include <fmt/format.h>

#include <cassert>
#include <utility>

#include "layby/base/fd.h"
#include "layby/base/log.h"

namespace layby::app {
namespace {

constexpr std::chrono::days kWarnBefore{14};
constexpr std::chrono::hours kWarnEvery{24};

// OpenSSL opens the files by their names and would wait for ever at a FIFO, so anything other than
// a regular file is refused first.
Result<TlsFiles::Identity> load_identity(const server::TlsIdentity::Files& files,
                                         const server::TlsIdentity* before) {
  for (const std::string& file : {files.certificate_file, files.key_file}) {
    const auto opened = open_regular(file);
    if (!opened.ok() && opened.error().code == ErrorCode::kInvalid) return opened.error();
  }
  return server::TlsIdentity::load(files, before);
}

}  // namespace

Result<LoadedIdentity> TlsFiles::load(const server::TlsIdentity::Files& files,
                                      const server::TlsIdentity* before) {
  auto marks = Files::marks_of({files.certificate_file, files.key_file});
  auto identity = load_identity(files, before);
  if (!identity.ok()) return identity.error();
  return LoadedIdentity{*std::move(identity), std::move(marks)};
}

TlsFiles::TlsFiles(const Context& context, server::TlsIdentity::Files files, LoadedIdentity loaded,
                   std::function<void(Identity)> on_changed)
    : context_(context),
      files_(std::move(files)),
      on_changed_(std::move(on_changed)),
      identity_(std::move(loaded.identity)),
      watched_(context.loop, context.workers, {files_.certificate_file, files_.key_file},
               {.reader =
                    [this] {
                      return [files = files_, before = identity_] {
                        return load_identity(files, before.get());
                      };
                    },
                .on_read = [this](Result<Identity> read) { on_read(std::move(read)); }}) {
  assert(identity_);
  warn_of_end();
  watched_.set_read(std::move(loaded.marks));
  watched_.look();
}

void TlsFiles::on_read(Result<Identity> read) {
  assert(identity_);
  if (!read.ok()) {
    log::error("tls: {}; the last good certificate stays in force", read.error().message);
    return;
  }
  identity_ = *std::move(read);
  log::info("tls: a new certificate is in force");
  warn_of_end();
  on_changed_(identity_);
}

void TlsFiles::warn_of_end() {
  assert(identity_);
  warn_timer_ = context_.loop.after(kWarnEvery, [this] { warn_of_end(); });
  const auto left = identity_->expires_at() - context_.clock.wall_now();
  if (left > kWarnBefore) return;
  const auto days = std::chrono::floor<std::chrono::days>(left).count();
  log::warn("tls: the certificate in {} {}; clients refuse an expired certificate",
            files_.certificate_file,
            days < 0 ? "has expired" : fmt::format("expires in {} days", days));
}

}  // namespace layby::app
