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

// A child gets the bytes that its parent gets.
void Invariants::sent_wrong_byte(std::size_t box, const oci::Digest& digest) {
  for (std::size_t other = 0; other < parents_.size(); ++other) {
    if (other != box && parents_[other] != box) continue;
    poisons_.insert_or_assign({other, digest}, Poison{world_.steady_now(), std::nullopt});
  }
}

void Invariants::unkept(std::size_t box, const oci::Digest& digest) {
  unkept_.insert_or_assign({box, digest}, world_.steady_now());
}

// All clients of the fill that finds the wrong byte fail at the same moment. The next client gets
// the blob, because the box has dropped the wrong byte.
bool Invariants::is_poisoned(const Asked& asked) {
  const auto poison = poisons_.find({asked.box, *asked.blob});
  if (poison == poisons_.end()) return false;
  auto& [at, failed_at] = poison->second;
  if (!failed_at) failed_at = world_.steady_now();
  if (asked.at > *failed_at) return false;
  const auto unkept = unkept_.find({asked.box, *asked.blob});
  const bool was_kept = unkept == unkept_.end() || unkept->second < asked.at;
  return !asked.held_back || !was_kept || at >= asked.at;
}

void Invariants::answered(std::uint64_t question, const Status& status, bool exists) {
  const auto at = open_.find(question);
  if (at == open_.end()) return;
  const Asked asked = std::move(at->second);
  open_.erase(at);
  good_ += status.ok() ? 1 : 0;
  const SteadyTime now = world_.steady_now();
  const bool is_blob = asked.blob.has_value();
  const bool corrupt = !status.ok() && status.error().code == ErrorCode::kCorrupt;
  const bool poisoned = corrupt && is_blob && is_poisoned(asked);
  if (!exists || !calm(asked.box, is_blob, asked.at, now)) return;
  if (!status.ok()) {
    if (poisoned) {
      ++poisoned_;
      return;
    }
    return broke(asked.box, "whoever asks for what can be had gets it",
                 asked.what + ": " + status.error().message);
  }
  const milliseconds waited = between(asked.at, now);
  (is_blob ? worst_.blobs : worst_.small)
      .add({waited, fair_wait(asked), asked.what, is_blob, adversary_.attacks(asked.at, now)});
  if (waited <= fair_wait(asked)) return;
  broke(asked.box, "a fair wait is bounded",
        asked.what + " took " + text(waited) + ", bound " + text(fair_wait(asked)));
}

milliseconds Invariants::fair_wait(const Asked& asked) const {
  if (asked.blob || !parents_[asked.box]) return asked.fair;
  const auto busy = busy_.find(*parents_[asked.box]);
  const bool was_busy = busy != busy_.end() && busy->second + minutes(1) >= asked.at;
  return was_busy ? asked.fair + kBusyParent : asked.fair;
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
