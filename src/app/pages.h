// SPDX-License-Identifier: Apache-2.0
//
// The pages outside of /v2 that everybody may read: /healthz, /stats, /metrics, and the front page
// at /, which tells a person what Layby is and lists the other pages.

#ifndef LAYBY_SRC_APP_PAGES_H_
#define LAYBY_SRC_APP_PAGES_H_

#include <functional>

#include "layby/admin/snapshot.h"
#include "layby/web/routes.h"

namespace layby::app {

// Called for each request of a page that shows the daemon's state.
using TakeSnapshot = std::function<admin::Snapshot()>;

// `routes` must not move and outlives its pages: the front page lists the rows of `routes`.
// /healthz answers 503 while `is_draining` returns true.
void add_page_routes(web::Routes& routes, TakeSnapshot take_snapshot,
                     std::function<bool()> is_draining);

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_PAGES_H_
