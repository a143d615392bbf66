// SPDX-License-Identifier: Apache-2.0
//
// Guesses which key the writer of an unknown key meant. Pure.

#ifndef LAYBY_SRC_APP_CONFIG_NEAREST_H_
#define LAYBY_SRC_APP_CONFIG_NEAREST_H_

#include <string>
#include <string_view>

#include "app/config_keys.h"

namespace layby::app {

// The least number of insertions, removals, replacements and swaps of neighbouring characters that
// turn `a` into `b`.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The end of the message about an unknown key: "; did you mean \"cache.max_bytes\"?", or the
// command that lists all keys if no key is similar.
std::string suggestion(const Keys& keys, const std::string& unknown_path);

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_CONFIG_NEAREST_H_
