// SPDX-License-Identifier: Apache-2.0
//
// Reads TOML 1.0. The members of an object have the order in which they stand in the file, because
// engines ask mirrors in this order.

#ifndef LAYBY_SRC_ENGINES_TOML_H_
#define LAYBY_SRC_ENGINES_TOML_H_

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "layby/base/result.h"

namespace layby::engines {

using Json = nlohmann::ordered_json;

// Dates and times become null. kInvalid: `text` isn't TOML; the message names `file` and the line.
Result<Json> parse_toml(std::string_view text, const std::string& file);

}  // namespace layby::engines

#endif  // LAYBY_SRC_ENGINES_TOML_H_
