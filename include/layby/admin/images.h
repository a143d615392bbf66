// SPDX-License-Identifier: Apache-2.0
//
// GET /images on the Unix socket: the cached images as JSON, for `layby ls`. Pure.

#ifndef LAYBY_ADMIN_IMAGES_H_
#define LAYBY_ADMIN_IMAGES_H_

#include <string>

#include "layby/base/clock.h"
#include "layby/cache/operator_store.h"

namespace layby::admin {

// The shortest name that docker understands: "debian:12".
std::string image_name(const cache::TagKey& key);

// Ages are counted from `now`. A time in the future counts as age 0, since a clock may have been
// set back.
std::string images_json(const cache::Catalog& catalog, WallTime now);

}  // namespace layby::admin

#endif  // LAYBY_ADMIN_IMAGES_H_
