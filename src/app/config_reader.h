// SPDX-License-Identifier: Apache-2.0
//
// From a tree of JSON into what a table of keys describes. Pure.

#ifndef LAYBY_SRC_APP_CONFIG_READER_H_
#define LAYBY_SRC_APP_CONFIG_READER_H_

#include <string_view>
#include <vector>

#include "app/config_json.h"
#include "app/config_keys.h"

namespace layby::app {

// Reads `text` and puts each member where its key has its place, or adds what is wrong.
// Gives the tree, which has nothing in it when it can't be read.
JsonValue read_document(std::string_view text, const Keys& keys, Slot slot,
                        std::vector<ConfigFault>& faults);

// Gives each fault the line that its path stands on.
void set_lines(const JsonValue& root, std::vector<ConfigFault>& faults);

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_CONFIG_READER_H_
