// SPDX-License-Identifier: Apache-2.0
//
// Describes the kinds of values: in words for the documents, and as JSON schemas for editors.

#ifndef LAYBY_SRC_APP_CONFIG_KINDS_H_
#define LAYBY_SRC_APP_CONFIG_KINDS_H_

#include <nlohmann/json.hpp>

#include "app/config_keys.h"

namespace layby::app {

// The words for a kind in docs/configuration.md, and the JSON schema of the kind.
struct KindWords {
  const char* text;
  nlohmann::ordered_json schema;
};
KindWords words_of(const Key& key);

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_CONFIG_KINDS_H_
