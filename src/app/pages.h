// SPDX-License-Identifier: Apache-2.0
//
// The pages beside /v2 that everybody may read: /healthz, /stats, /metrics, and a page at / that
// tells a person what this is and which pages there are.

#ifndef LAYBY_SRC_APP_PAGES_H_
#define LAYBY_SRC_APP_PAGES_H_

#include <functional>

#include "layby/admin/snapshot.h"
#include "layby/web/routes.h"

namespace layby::app {

// Called for each request of a page that shows the daemon's state.
using TakeSnapshot = std::function<admin::Snapshot()>;

// `routes` stays where it is: the front page lists its rows.
void add_page_routes(web::Routes& routes, TakeSnapshot take_snapshot);

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_PAGES_H_
