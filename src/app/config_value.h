// SPDX-License-Identifier: Apache-2.0
//
// Converts one value of the configuration from JSON and back. Pure.

#ifndef LAYBY_SRC_APP_CONFIG_VALUE_H_
#define LAYBY_SRC_APP_CONFIG_VALUE_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "app/config_json.h"
#include "app/config_keys.h"

namespace layby::app {

// Stores `value` in the place of `key`, and adds the mistakes of `value` to `faults`. `path` is the
// path of the value in the file. `key` must not be of Kind::kObjects.
void set_value(const Key& key, const JsonValue& value, Slot slot, const std::string& path,
               std::vector<ConfigFault>& faults);

// The exact text of a value in a configuration: "64KiB", "1000000"; "60s", "2h"; "80%".
std::string bytes_text(std::uint64_t bytes);
std::string duration_text(std::chrono::milliseconds duration);
std::string limit_text(const policy::SpaceLimit& limit);

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_CONFIG_VALUE_H_
