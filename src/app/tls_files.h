// SPDX-License-Identifier: Apache-2.0
//
// The certificate and the key for HTTPS. They are loaded at the start, and on a helper thread
// again when a file has changed. Files that can't be used leave the last good pair in force.
// Lives on the loop thread.

#ifndef LAYBY_APP_TLS_FILES_H_
#define LAYBY_APP_TLS_FILES_H_

#include <functional>
#include <memory>
#include <optional>

#include "app/file_mark.h"
#include "layby/base/clock.h"
#include "layby/event/loop.h"
#include "layby/event/workers.h"
#include "layby/server/tls_identity.h"

namespace layby::app {

class TlsFiles {
 public:
  using Identity = std::shared_ptr<const server::TlsIdentity>;
  struct Context {
    event::Loop& loop;
    event::Workers& workers;
    const Clock& clock;
  };

  // Loads both files; blocks on the disk. `on_changed` gets each later identity.
  static Result<std::unique_ptr<TlsFiles>> load(const Context& context,
                                                server::TlsIdentity::Files files,
                                                std::function<void(Identity)> on_changed);

  const Identity& identity() const { return identity_; }
  // Reads both files again, even if they look unchanged.
  void reload();

 private:
  struct Marks {
    FileMark certificate;
    FileMark key;
    bool operator==(const Marks&) const = default;
  };
  struct Reading {
    Marks marks;
    std::optional<Result<Identity>> identity;  // Set if the marks have changed.
  };

  TlsFiles(const Context& context, server::TlsIdentity::Files files,
           std::function<void(Identity)> on_changed);

  static Marks marks_of(const server::TlsIdentity::Files& files);
  static Reading read(const server::TlsIdentity::Files& files, const std::optional<Marks>& known,
                      const Identity& before);
  void look();
  void on_read(Reading reading);
  // Logs a warning if the certificate expires soon.
  void warn_of_end();

  const Context context_;
  const server::TlsIdentity::Files files_;
  const std::function<void(Identity)> on_changed_;
  Identity identity_;
  std::optional<Marks> marks_;
  bool reading_ = false;
  SteadyTime warned_at_;
  Handle timer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace layby::app

#endif  // LAYBY_APP_TLS_FILES_H_
