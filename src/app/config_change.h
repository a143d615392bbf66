// SPDX-License-Identifier: Apache-2.0
//
// Finds the differences between two configurations with the table of keys. The functions are pure.

#ifndef LAYBY_SRC_APP_CONFIG_CHANGE_H_
#define LAYBY_SRC_APP_CONFIG_CHANGE_H_

#include <string>
#include <string_view>
#include <vector>

#include "layby/app/config.h"

namespace layby::app {

// The keys whose values differ, in the order of the reference: "listen", "upstreams". A list of
// objects is one key.
std::vector<std::string> changed_keys(const Config& before, const Config& after);

// Takes back the changes that need a restart: sets their keys in `after` to the values in `before`.
// Returns a fault for each of these keys.
std::vector<ConfigFault> keep_until_restart(const Config& before, Config& after);

// Sets the key at `path` in `to` to the value of this key in `from`. The key isn't inside a list.
void keep_value(std::string_view path, const Config& from, Config& to);

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_CONFIG_CHANGE_H_
