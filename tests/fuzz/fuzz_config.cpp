// SPDX-License-Identifier: Apache-2.0
//
// The configuration. Whatever the text, each fault has a place and a message fit for
// a terminal; a text without faults gives a configuration that prints as JSON and
// reads back as the same.

#include <algorithm>
#include <string>

#include "layby/app/config.h"
#include "require.h"

namespace layby::fuzz {
namespace {

bool is_fit_for_a_terminal(std::string_view text) {
  return !text.empty() && std::none_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
}

void check(std::string_view text) {
  const app::ConfigOutcome outcome = app::parse_config(text);
  for (const app::ConfigFault& fault : outcome.faults) {
    require(is_fit_for_a_terminal(fault.path), "a fault says where");
    require(is_fit_for_a_terminal(fault.message), "a fault says what");
  }
  if (!outcome.faults.empty()) return;
  require(!outcome.config.upstreams.empty(), "there is an upstream");
  const std::string shown = app::config_json(outcome.config);
  const app::ConfigOutcome again = app::parse_config(shown);
  require(again.faults.empty(), "what is shown has no faults");
  require(app::config_json(again.config) == shown, "what is shown reads back");
}

}  // namespace
}  // namespace layby::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  layby::fuzz::check(layby::fuzz::as_text(data, size));
  return 0;
}
