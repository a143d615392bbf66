// SPDX-License-Identifier: Apache-2.0
//
// An image in a state that this version doesn't know counts as kAtWork, and the state's name is
// shown. No command waits forever for such an image, because the end of a run is read from "result"
// alone.

#include "cli/prefetch_look.h"

#include <algorithm>
#include <array>
#include <cassert>

#include "cli/answer.h"

namespace layby::cli {
namespace {

using State = PrefetchImage::State;

struct StateName {
  std::string_view name;
  State state;
  std::string_view doing;
};

constexpr std::array<StateName, 8> kStates{{{"waiting", State::kWaiting, ""},
                                            {"checking", State::kAtWork, "checking"},
                                            {"manifests", State::kAtWork, "reading manifests"},
                                            {"fetching", State::kAtWork, "fetching"},
                                            {"done", State::kDone, ""},
                                            {"current", State::kCurrent, ""},
                                            {"failed", State::kGivenUp, ""},
                                            {"stopped", State::kStopped, ""}}};

PrefetchImage image_of(const Json& json) {
  PrefetchImage image;
  image.name = text(json, "/image");
  image.bytes_total = number(json, "/bytes_total");
  image.bytes_done = number(json, "/bytes_done");
  image.error = sentence(json, "/error");
  const std::string name = text(json, "/state");
  const auto* const known = std::find_if(kStates.begin(), kStates.end(),
                                         [&](const StateName& s) { return s.name == name; });
  image.state = known == kStates.end() ? State::kAtWork : known->state;
  image.doing = known == kStates.end() ? name : known->doing;
  return image;
}

app::ConfigFault fault_of(const Json& json) {
  return {sentence(json, "/path"), sentence(json, "/message"),
          static_cast<int>(number(json, "/line"))};
}

}  // namespace

Result<PrefetchLook> read_prefetch(const std::string& body) {
  const Result<Json> answer = parse_answer(body);
  if (!answer) return answer.error();
  if (!at(*answer, "/state").is_string()) {
    return Error{ErrorCode::kInvalid,
                 "the daemon's /prefetch has no state; is the daemon of another version?"};
  }
  PrefetchLook look;
  look.list = sentence(*answer, "/list");
  for (const Json& fault : list(*answer, "/faults")) look.faults.push_back(fault_of(fault));
  look.waiting = text(*answer, "/state") == "waiting";
  look.reason = sentence(*answer, "/reason");
  look.run = number(*answer, "/run");
  look.result = sentence(*answer, "/result");
  look.bytes_known = flag(*answer, "/bytes_known");
  look.bytes_total = number(*answer, "/bytes_total");
  look.bytes_done = number(*answer, "/bytes_done");
  look.pulls = number(*answer, "/pulls");
  for (const Json& image : list(*answer, "/images")) look.images.push_back(image_of(image));
  look.json = body;
  return look;
}

RunState state_of_run(const PrefetchLook& look, std::uint64_t run) {
  if (look.run != run) return RunState::kLost;
  return look.result.empty() ? RunState::kGoing : RunState::kEnded;
}

std::uint64_t count_of(const PrefetchLook& look, State state) {
  return static_cast<std::uint64_t>(
      std::count_if(look.images.begin(), look.images.end(),
                    [state](const PrefetchImage& image) { return image.state == state; }));
}

bool all_fine(const PrefetchLook& look) {
  assert(!look.result.empty());
  return look.result == "done" && count_of(look, State::kGivenUp) == 0;
}

}  // namespace layby::cli
