// SPDX-License-Identifier: Apache-2.0
//
// The configuration and the prefetch list. For any text, each fault has a place and a message
// that are safe to print on a terminal. A text without faults gives a configuration that
// prints as JSON and reads back the same.

#include <algorithm>
#include <string>
#include <vector>

#include "layby/app/config.h"
#include "layby/app/prefetch_list.h"
#include "require.h"

namespace layby::fuzz {
namespace {

bool is_fit_for_a_terminal(std::string_view text) {
  return !text.empty() && std::none_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
}

void check_faults(std::string_view text, const std::vector<app::ConfigFault>& faults) {
  const auto lines = 1 + std::count(text.begin(), text.end(), '\n');
  for (const app::ConfigFault& fault : faults) {
    require(is_fit_for_a_terminal(fault.path), "a fault names its place");
    require(is_fit_for_a_terminal(fault.message), "a fault has a message");
    require(fault.line >= 0 && fault.line <= lines, "a fault's line exists in the text");
  }
}

void check_list(std::string_view text) {
  const app::PrefetchListOutcome outcome = app::parse_prefetch_list(text);
  check_faults(text, outcome.faults);
  if (!outcome.faults.empty()) return;
  for (const app::PrefetchImageConfig& image : outcome.list.images) {
    require(!image.tags.empty() && !image.platforms.empty(), "an image has tags and platforms");
  }
}

void check(std::string_view text) {
  check_list(text);
  const app::ConfigOutcome outcome = app::parse_config(text);
  check_faults(text, outcome.faults);
  if (!outcome.faults.empty()) return;
  require(!outcome.config.upstreams.empty(), "there is an upstream");
  const std::string shown = app::config_json(outcome.config);
  const app::ConfigOutcome again = app::parse_config(shown);
  require(again.faults.empty(), "the shown configuration has no faults");
  require(app::config_json(again.config) == shown, "the shown configuration reads back");
}

}  // namespace
}  // namespace layby::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  layby::fuzz::check(layby::fuzz::as_text(data, size));
  return 0;
}
