// SPDX-License-Identifier: Apache-2.0

#include "simulation/invariants.h"

#include <algorithm>
#include <utility>

namespace layby::simulation {
namespace {

constexpr std::size_t kWorstKept = 10;

std::string text(milliseconds time) {
  return std::to_string(static_cast<double>(time.count()) / 1000) + " s";
}

milliseconds between(SteadyTime from, SteadyTime to) {
  return std::chrono::duration_cast<milliseconds>(to - from);
}

}  // namespace

void WorstWaits::add(FairWait wait) {
  const auto part =
      static_cast<double>(wait.wait.count()) / static_cast<double>(wait.bound.count());
  most_of_bound_ = std::max(most_of_bound_, part);
  const auto at = std::find_if(longest_.begin(), longest_.end(),
                               [&](const FairWait& other) { return other.wait < wait.wait; });
  longest_.insert(at, std::move(wait));
  if (longest_.size() > kWorstKept) longest_.pop_back();
}

void WorstWaits::add(const WorstWaits& others) {
  for (const FairWait& wait : others.longest()) add(wait);
  most_of_bound_ = std::max(most_of_bound_, others.most_of_bound());
}

void Invariants::broke(std::size_t box, std::string promise, std::string what) {
  if (violation_) return;
  violation_ = Violation{std::move(promise), std::move(what), world_.age(), box};
}

bool Invariants::calm(std::size_t box, bool blob, SteadyTime from, SteadyTime to) const {
  const auto excused = excused_.find(box);
  if (excused != excused_.end() && excused->second >= from) return false;
  if (!adversary_.calm(box, blob, from, to)) return false;
  if (!parents_[box]) return true;
  return adversary_.calm(*parents_[box], blob, from, to);
}

std::uint64_t Invariants::asked(Asked question) {
  question.at = world_.steady_now();
  const std::uint64_t number = ++asked_;
  due_.emplace(std::pair(question.at + question.bound, number), number);
  open_.emplace(number, std::move(question));
  return number;
}

void Invariants::answered(std::uint64_t question, const Status& status, bool exists) {
  const auto at = open_.find(question);
  if (at == open_.end()) return;
  const Asked asked = std::move(at->second);
  open_.erase(at);
  good_ += status.ok() ? 1 : 0;
  const SteadyTime now = world_.steady_now();
  if (!exists || !calm(asked.box, asked.blob, asked.at, now)) return;
  if (!status.ok()) {
    if (status.error().code == ErrorCode::kCorrupt && expected_(Fault::kPoisonedPartial)) return;
    return broke(asked.box, "whoever asks for what can be had gets it",
                 asked.what + ": " + status.error().message);
  }
  const milliseconds waited = between(asked.at, now);
  (asked.blob ? worst_.blobs : worst_.small)
      .add({waited, asked.fair, asked.what, asked.blob, adversary_.attacks(asked.at, now)});
  if (waited <= asked.fair) return;
  broke(asked.box, "a fair wait is bounded",
        asked.what + " took " + text(waited) + ", bound " + text(asked.fair));
}

void Invariants::check() {
  const SteadyTime now = world_.steady_now();
  while (!due_.empty() && due_.begin()->first.first < now) {
    const auto at = open_.find(due_.begin()->second);
    due_.erase(due_.begin());
    if (at == open_.end()) continue;
    const Asked& asked = at->second;
    broke(asked.box, "every asker is answered",
          asked.what + " has no answer after " + text(asked.bound));
  }
}

void Invariants::tag_answered(std::size_t box, const ImageName& name, SteadyTime asked_at,
                              const Result<cache::ManifestAnswer>& answer, milliseconds jumped) {
  using cache::ManifestSource;
  if (!answer.ok() && answer.error().code != ErrorCode::kNotFound) return;
  const SteadyTime now = world_.steady_now();
  const std::string full = name.repository + ":" + name.tag;
  milliseconds age = kFreshFor;
  if (answer.ok() &&
      (answer->source == ManifestSource::kStale || answer->source == ManifestSource::kHeld)) {
    age = std::max<milliseconds>(answer->age.value_or(seconds(0)) + seconds(1), kFreshFor);
  }
  if (answer.ok() && answer->source == ManifestSource::kStale && calm(box, false, asked_at, now)) {
    broke(box, "a tag is stale only in trouble", full);
  }
  const auto digest = answer.ok() ? std::optional(answer->digest) : std::nullopt;
  if (content_.named(name, digest, asked_at - age - kCheckTime - jumped, now)) return;
  broke(box, "a tag is no older than promised",
        full + (answer.ok() ? ": its answer says " + text(age) : ": the answer is 404"));
}

}  // namespace layby::simulation
