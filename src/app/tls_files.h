// SPDX-License-Identifier: Apache-2.0
//
// The certificate and the key for HTTPS. Both files are loaded at the start. When a file has
// changed, a helper thread loads both again. If the new files can't be used, the last good pair
// stays in force. Lives on the loop thread.

#ifndef LAYBY_APP_TLS_FILES_H_
#define LAYBY_APP_TLS_FILES_H_

#include <functional>
#include <memory>
#include <vector>

#include "app/watched_files.h"
#include "layby/base/clock.h"
#include "layby/event/loop.h"
#include "layby/event/workers.h"
#include "layby/server/tls_identity.h"

namespace layby::app {

// An identity, and the marks that its files had before they were read.
struct LoadedIdentity {
  std::shared_ptr<const server::TlsIdentity> identity;
  std::vector<FileMark> marks;
};

class TlsFiles {
 public:
  using Identity = std::shared_ptr<const server::TlsIdentity>;
  struct Context {
    event::Loop& loop;
    event::Workers& workers;
    const Clock& clock;
  };

  // Loads both files; blocks on the disk. Clients of the identity `before`, which may be null, can
  // resume their sessions.
  static Result<LoadedIdentity> load(const server::TlsIdentity::Files& files,
                                     const server::TlsIdentity* before);

  // `loaded` is the identity of `files`. `on_changed` gets the identity after each change.
  TlsFiles(const Context& context, server::TlsIdentity::Files files, LoadedIdentity loaded,
           std::function<void(Identity)> on_changed);

  const Identity& identity() const { return identity_; }
  // Reads both files again, even if the files look unchanged.
  void reload() { watched_.reload(); }

 private:
  using Files = WatchedFiles<Result<Identity>>;

  void on_read(Result<Identity> read);
  // Logs a warning now and every kWarnEvery, if the certificate expires within kWarnBefore.
  void warn_of_end();

  const Context context_;
  const server::TlsIdentity::Files files_;
  const std::function<void(Identity)> on_changed_;
  Identity identity_;
  Handle warn_timer_;
  Files watched_;
};

}  // namespace layby::app

#endif  // LAYBY_APP_TLS_FILES_H_
