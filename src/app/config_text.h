// SPDX-License-Identifier: Apache-2.0
//
// Checks the texts of the configuration by their kind. Pure.

#ifndef LAYBY_SRC_APP_CONFIG_TEXT_H_
#define LAYBY_SRC_APP_CONFIG_TEXT_H_

#include <string>

#include "app/config_keys.h"

namespace layby::app {

// A complaint about `text` that says what to write instead; empty for a valid text.
std::string check_text(Kind kind, const std::string& text);

// Converts `text` to the form that the program uses: a URL has no slash at its end.
std::string normal_text(Kind kind, const std::string& text);

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_CONFIG_TEXT_H_
