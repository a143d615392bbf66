// SPDX-License-Identifier: Apache-2.0

#include "simulation/adversary.h"

#include <algorithm>

#include "simulation/bounds.h"

namespace layby::simulation {
namespace {

constexpr milliseconds kRoundTrip{40};

milliseconds drawn(simulator::Random& random, milliseconds median, double sigma,
                   milliseconds most) {
  const double ms = random.log_normal(static_cast<double>(median.count()), sigma);
  return std::min(milliseconds(static_cast<std::int64_t>(ms)), most);
}

// A choice that depends only on the name and the spell.
bool touches(const Spell& spell, const std::string& name) {
  std::uint64_t hash = spell.which;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return static_cast<double>(hash >> 11) * 0x1p-53 < spell.share;
}

// Whether the trouble is only about the bytes of blobs.
bool is_of_blobs(Trouble trouble) {
  switch (trouble) {
    case Trouble::kCuts:
    case Trouble::kByteCuts:
    case Trouble::kDrip:
    case Trouble::kStalls:
    case Trouble::kCdnThrottling:
    case Trouble::kHungBlobs:
      return true;
    default:
      return false;
  }
}

// The time after the end of a spell in which no wait counts as fair.
milliseconds aftermath(const Spell& spell) {
  if (spell.what == Trouble::kThrottling || spell.what == Trouble::kCdnThrottling) {
    // Without Retry-After, a guard is quiet for up to 16 minutes.
    const milliseconds quiet = spell.retry_after.value_or(minutes(16));
    return kRecovery + std::min(quiet, kLongestQuiet);
  }
  return spell.what == Trouble::kHungBlobs ? kHedged : kRecovery;
}

Error failed(const char* what) { return {ErrorCode::kUnavailable, what}; }

}  // namespace

const char* to_string(Trouble trouble) {
  constexpr const char* kNames[kTroubles] = {
      "silence",    "refusal",        "errors",        "late",      "cuts",
      "byte cuts",  "drip",           "corruption",    "stalls",    "no ranges",
      "throttling", "CDN throttling", "token trouble", "hung blobs"};
  return kNames[static_cast<int>(trouble)];
}

const char* to_string(Mishap mishap) {
  constexpr const char* kNames[] = {"crash", "clock jump", "disk error", "full disk", "reload"};
  return kNames[static_cast<int>(mishap)];
}

const char* to_string(Attack attack) {
  constexpr const char* kNames[kAttacks] = {"leaving", "slow readers", "unknown digests", "tags"};
  return kNames[static_cast<int>(attack)];
}

Adversary::Adversary(std::uint64_t seed, std::size_t boxes, SteadyTime from, SteadyTime to)
    : random_(seed) {
  for (std::size_t box = 0; box < boxes; ++box) {
    draw_spells(box, from, to);
    draw_mishaps(box, from, to);
    draw_assaults(box, from, to);
  }
  std::stable_sort(mishaps_.begin(), mishaps_.end(),
                   [](const Event& a, const Event& b) { return a.at < b.at; });
}

void Adversary::draw_spells(std::size_t box, SteadyTime from, SteadyTime to) {
  // Some boxes have a quiet life, and some have a trouble most of the time.
  const milliseconds between = minutes(random_.between(20, 360));
  SteadyTime at = from;
  while (true) {
    at += drawn(random_, between, 1, std::chrono::hours(24));
    if (at >= to) return;
    Spell spell;
    spell.what = static_cast<Trouble>(random_.between(0, kTroubles - 1));
    spell.box = box;
    spell.from = at;
    spell.to = std::min(to, at + drawn(random_, minutes(4), 1.2, std::chrono::hours(3)));
    spell.share = random_.happens(0.3) ? 1 : 0.1 + 0.8 * random_.share();
    spell.which = random_.between(0, UINT32_MAX);
    const milliseconds quiet = drawn(random_, seconds(20), 2, std::chrono::hours(24));
    if (random_.happens(0.7)) spell.retry_after = std::chrono::floor<seconds>(quiet);
    spells_.push_back(spell);
    if (random_.happens(0.7)) at = spell.to;
  }
}

void Adversary::draw_mishaps(std::size_t box, SteadyTime from, SteadyTime to) {
  const milliseconds between = minutes(random_.between(60, 1200));
  SteadyTime at = from;
  while (true) {
    at += drawn(random_, between, 1, std::chrono::hours(24));
    if (at >= to) return;
    Event event{at, box, static_cast<Mishap>(random_.between(0, 4))};
    event.by = drawn(random_, seconds(30), 1, minutes(10));
    if (event.what == Mishap::kClockJump) {
      event.by =
          drawn(random_, minutes(10), 2, std::chrono::hours(50)) * (random_.happens(0.5) ? -1 : 1);
    }
    mishaps_.push_back(event);
  }
}

void Adversary::draw_assaults(std::size_t box, SteadyTime from, SteadyTime to) {
  if (random_.happens(0.4)) return;
  const milliseconds between = minutes(random_.between(180, 900));
  for (SteadyTime at = from;;) {
    at += drawn(random_, between, 1, std::chrono::hours(24));
    if (at >= to) return;
    const auto what = static_cast<Attack>(random_.between(0, kAttacks - 1));
    const SteadyTime end = std::min(to, at + drawn(random_, minutes(5), 1, minutes(40)));
    assaults_.push_back({what, box, at, end});
    at = end;
  }
}

Fate Adversary::fate(std::size_t box, What what, const std::string& name, SteadyTime now) {
  Fate fate;
  fate.delay = kRoundTrip + drawn(random_, milliseconds(20), 1, milliseconds(500));
  for (const Spell& spell : spells_) {
    if (spell.box == box && spell.from <= now && now < spell.to) apply(spell, what, name, fate);
  }
  return fate;
}

void Adversary::apply(const Spell& spell, What what, const std::string& name, Fate& fate) {
  const bool by_chance = random_.happens(spell.share);
  const bool is_blob = what == What::kBlob;
  switch (spell.what) {
    case Trouble::kSilence:
      fate.silent |= by_chance;
      return;
    case Trouble::kRefusal:
      if (by_chance) fate.error = failed("no connection");
      return;
    case Trouble::kErrors:
      if (by_chance) fate.error = failed("it answered 503");
      return;
    case Trouble::kLate:
      if (by_chance) fate.delay += drawn(random_, seconds(3), 1, minutes(1));
      return;
    case Trouble::kCuts:
      if (is_blob && by_chance) fate.cut = random_.between(0, 20'000);
      return;
    case Trouble::kByteCuts:
      if (is_blob && touches(spell, name)) fate.cut = 1;
      return;
    case Trouble::kDrip:
      fate.drips |= is_blob && touches(spell, name);
      return;
    case Trouble::kCorruption:
      fate.corrupt |= by_chance;
      return;
    case Trouble::kStalls:
      if (is_blob && by_chance) fate.stall = random_.between(0, 20'000);
      return;
    case Trouble::kNoRanges:
      fate.no_ranges |= by_chance;
      return;
    case Trouble::kThrottling:
      if (by_chance && what != What::kPing) {
        fate.error = Error{ErrorCode::kThrottled, "it answered 429", spell.retry_after};
      }
      return;
    case Trouble::kCdnThrottling:
      if (is_blob && by_chance) {
        fate.error = Error{ErrorCode::kThrottled, "the CDN answered 429", spell.retry_after};
        fate.error->extent = Extent::kContent;
      }
      return;
    case Trouble::kTokenTrouble:
      if (what != What::kPing && touches(spell, name.substr(0, name.find('@')))) {
        fate.error = failed("the token server failed");
        fate.error->extent = Extent::kRepository;
      }
      return;
    case Trouble::kHungBlobs:
      fate.silent |= is_blob && touches(spell, name);
      return;
  }
}

std::string Adversary::attacks(SteadyTime from, SteadyTime to) const {
  std::string all;
  for (const Assault& assault : assaults_) {
    if (assault.from > to || assault.to < from) continue;
    all += (all.empty() ? "" : ", ") + std::string(to_string(assault.what));
  }
  return all;
}

bool Adversary::calm(std::size_t box, bool blob, SteadyTime from, SteadyTime to) const {
  const bool spelled = std::any_of(spells_.begin(), spells_.end(), [&](const Spell& spell) {
    if (!blob && is_of_blobs(spell.what)) return false;
    return spell.box == box && spell.from <= to && from <= spell.to + aftermath(spell);
  });
  const bool mishap = std::any_of(mishaps_.begin(), mishaps_.end(), [&](const Event& event) {
    if (event.what == Mishap::kClockJump || event.what == Mishap::kReload) return false;
    return event.box == box && event.at <= to && from <= event.at + event.by + kRecovery;
  });
  return !spelled && !mishap;
}

}  // namespace layby::simulation
