// SPDX-License-Identifier: Apache-2.0
//
// Reads JSON into the documents that a table of keys describes. Pure.

#ifndef LAYBY_SRC_APP_CONFIG_READER_H_
#define LAYBY_SRC_APP_CONFIG_READER_H_

#include <string_view>
#include <vector>

#include "app/config_json.h"
#include "app/config_keys.h"

namespace layby::app {

// Reads `text`, stores each value in the place of its key, and adds each mistake to `faults`.
// Returns the tree of the JSON, which is empty if `text` is no JSON or too long.
JsonValue read_document(std::string_view text, const Keys& keys, Slot slot,
                        std::vector<ConfigFault>& faults);

// Finds the line of each fault by the fault's path.
void set_lines(const JsonValue& root, std::vector<ConfigFault>& faults);

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_CONFIG_READER_H_
