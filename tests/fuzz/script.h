// SPDX-License-Identifier: Apache-2.0
//
// The input of a target that plays one side of a socket. The first line has options, a letter for
// each. The rest is a script: bytes to write, and operations between them. An operation is '~' and
// a character; "~~" stands for the byte '~'.

#ifndef LAYBY_TESTS_FUZZ_SCRIPT_H_
#define LAYBY_TESTS_FUZZ_SCRIPT_H_

#include <chrono>
#include <string_view>

#include "layby/event/loop.h"
#include "require.h"

namespace layby::fuzz {

// Bytes to write, and the operation that follows; 0 at the end of the script.
struct Step {
  std::string_view bytes;
  char operation = 0;
};

// Removes the first step from `script`. A '~' that nothing follows is dropped.
inline Step take_step(std::string_view& script) {
  const std::size_t at = script.find('~');
  Step step{script.substr(0, at)};
  const std::size_t end = at == std::string_view::npos ? script.size() : at + 2;
  if (end <= script.size() && at != std::string_view::npos) step.operation = script[at + 1];
  script.remove_prefix(end < script.size() ? end : script.size());
  return step;
}

// Lets the loop handle everything that is ready, without waiting.
inline void turn(event::Loop& loop) {
  // The inner call comes after all that was ready when the outer call came.
  loop.post([&loop] { loop.post([&loop] { loop.stop(); }); });
  loop.run();
}

// Bounds the turns of the loop while the target waits for an event. The kernel may be slow, so the
// target gives up after five seconds at the earliest.
class Patience {
 public:
  bool is_left() {
    constexpr int kTurns = 20'000;
    constexpr std::chrono::seconds kLeast{5};
    return ++turns_ <= kTurns || std::chrono::steady_clock::now() < begin_ + kLeast;
  }

 private:
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  int turns_ = 0;
};

}  // namespace layby::fuzz

#endif  // LAYBY_TESTS_FUZZ_SCRIPT_H_
