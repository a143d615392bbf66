// SPDX-License-Identifier: Apache-2.0
//
// The key that somebody meant who wrote one that isn't there. Pure.

#ifndef LAYBY_SRC_APP_CONFIG_NEAREST_H_
#define LAYBY_SRC_APP_CONFIG_NEAREST_H_

#include <string>
#include <string_view>

#include "app/config_keys.h"

namespace layby::app {

// Insertions, removals, replacements and swaps of neighbours that turn `a` into `b`.
std::size_t edit_distance(std::string_view a, std::string_view b);

// "; did you mean \"cache.max_bytes\"?" for a path of the table, or where to look.
std::string suggestion(const Keys& keys, const std::string& unknown_path);

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_CONFIG_NEAREST_H_
