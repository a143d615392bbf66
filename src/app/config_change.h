// SPDX-License-Identifier: Apache-2.0
//
// The difference between two configurations, by the table of keys. Pure.

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

// Gives the keys of `after` that need a restart the values of `before`. Returns a fault for each of
// these keys that differed.
std::vector<ConfigFault> keep_until_restart(const Config& before, Config& after);

// Gives key `path`, which is outside of lists, the value that `from` has.
void keep_value(std::string_view path, const Config& from, Config& to);

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_CONFIG_CHANGE_H_
