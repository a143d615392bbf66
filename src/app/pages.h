// SPDX-License-Identifier: Apache-2.0
//
// The pages beside /v2: /healthz, /stats, /metrics, and a page at / that tells a person what
// this is. The pages are read-only. Requests under /v2 go to the registry's API, and the
// CLI's commands over the Unix socket go to Control.

#ifndef LAYBY_SRC_APP_PAGES_H_
#define LAYBY_SRC_APP_PAGES_H_

#include <functional>

#include "app/control.h"
#include "layby/admin/snapshot.h"
#include "layby/server/http_server.h"

namespace layby::app {

class Pages final : public server::Handler {
 public:
  using TakeSnapshot = std::function<admin::Snapshot()>;

  // `api` and `control` outlive this.
  Pages(server::Handler& api, Control& control, TakeSnapshot take_snapshot)
      : api_(api), control_(control), take_snapshot_(std::move(take_snapshot)) {}

  Handle handle(const server::Request& request, Respond respond) override;

 private:
  server::Response page(const server::Request& request) const;

  server::Handler& api_;
  Control& control_;
  const TakeSnapshot take_snapshot_;
};

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_PAGES_H_
