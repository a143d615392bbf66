// SPDX-License-Identifier: Apache-2.0
//
// Guesses which key an unknown key was meant to be. Pure.

#ifndef LAYBY_SRC_APP_CONFIG_NEAREST_H_
#define LAYBY_SRC_APP_CONFIG_NEAREST_H_

#include <string>
#include <string_view>

#include "app/config_keys.h"

namespace layby::app {

// How many insertions, removals, replacements and swaps of neighbours turn `a` into `b`.
std::size_t edit_distance(std::string_view a, std::string_view b);

// How a message about an unknown key ends: "; did you mean \"cache.max_bytes\"?", or else the
// command that lists all keys.
std::string suggestion(const Keys& keys, const std::string& unknown_path);

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_CONFIG_NEAREST_H_
