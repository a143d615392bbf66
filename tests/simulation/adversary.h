// SPDX-License-Identifier: Apache-2.0
//
// The adversary decides, from the seed alone, what goes wrong: troubles of the uplink for some
// time, and mishaps of the boxes. A Spell is a trouble with a place and a time. All spells are
// drawn before the simulation begins, so calm() can say whether a wait was fair.

#ifndef LAYBY_TESTS_SIMULATION_ADVERSARY_H_
#define LAYBY_TESTS_SIMULATION_ADVERSARY_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "layby/base/clock.h"
#include "layby/base/result.h"
#include "simulator/random.h"

namespace layby::simulation {

enum class Trouble {
  kSilence,        // No answer at all.
  kRefusal,        // No connection.
  kErrors,         // 5xx for a part of the requests.
  kLate,           // Answers come late.
  kCuts,           // A blob's transfer ends early.
  kByteCuts,       // A blob's transfer ends after each byte.
  kDrip,           // A blob comes more slowly than the floor of the rate.
  kCorruption,     // A byte of a blob or a manifest is changed.
  kStalls,         // A blob's transfer stops in the middle.
  kNoRanges,       // Every transfer begins at byte 0, and states no size.
  kThrottling,     // The registry says 429.
  kCdnThrottling,  // The CDN says 429 for blobs.
  kTokenTrouble,   // The token server fails for some repositories.
  kHungBlobs,      // Some blobs get no answer.
};
inline constexpr int kTroubles = static_cast<int>(Trouble::kHungBlobs) + 1;
const char* to_string(Trouble trouble);

// What is asked of an upstream.
enum class What { kTag, kManifest, kBlobHead, kBlob, kList, kPing };

struct Spell {
  Trouble what = Trouble::kSilence;
  std::size_t box = 0;
  SteadyTime from;
  SteadyTime to;
  double share = 1;         // The share of the requests or names that the trouble touches.
  std::uint64_t which = 0;  // Chooses the names.
  std::optional<std::chrono::seconds> retry_after;
};

// What happens to one request.
struct Fate {
  std::chrono::milliseconds delay{0};
  bool silent = false;               // No answer comes.
  std::optional<Error> error;        // The answer.
  std::optional<std::size_t> cut;    // The transfer ends after this number of bytes.
  std::optional<std::size_t> stall;  // The transfer stops after this number of bytes.
  bool drips = false;
  bool corrupt = false;
  bool no_ranges = false;
};

// What a hostile client does.
enum class Attack {
  kLeaving,  // Asks for many blobs, and leaves at once.
  kSlow,     // Reads many blobs, a few bytes at a time.
  kUnknown,  // Asks for digests that nobody has.
  kTags,     // Asks for many tags and lists, in a storm.
};
inline constexpr int kAttacks = static_cast<int>(Attack::kTags) + 1;
const char* to_string(Attack attack);
struct Assault {
  Attack what = Attack::kLeaving;
  std::size_t box = 0;
  SteadyTime from;
  SteadyTime to;
};

// What may happen to a box at one moment.
enum class Mishap { kCrash, kClockJump, kDiskError, kFullDisk, kReload };
const char* to_string(Mishap mishap);
struct Event {
  SteadyTime at;
  std::size_t box = 0;
  Mishap what = Mishap::kCrash;
  std::chrono::milliseconds by{0};  // The size of a jump, or how long the box or the disk is away.
};

class Adversary {
 public:
  // Draws all that goes wrong with `boxes` boxes between `from` and `to`.
  Adversary(std::uint64_t seed, std::size_t boxes, SteadyTime from, SteadyTime to);

  // `name` is the repository, and for blobs also the digest.
  Fate fate(std::size_t box, What what, const std::string& name, SteadyTime now);
  const std::vector<Event>& mishaps() const { return mishaps_; }
  const std::vector<Spell>& spells() const { return spells_; }
  const std::vector<Assault>& assaults() const { return assaults_; }
  // The attacks that ran at any time between `from` and `to`: "tags, leaving".
  std::string attacks(SteadyTime from, SteadyTime to) const;
  // Whether `box` had neither a spell nor a mishap between `from` and `to`. The aftermath is part
  // of the spell. Jumps of the clock, reloads and assaults don't count. `blob` says that a blob was
  // asked for; if not, spells that affect only blobs don't count either.
  bool calm(std::size_t box, bool blob, SteadyTime from, SteadyTime to) const;

 private:
  void draw_spells(std::size_t box, SteadyTime from, SteadyTime to);
  void draw_mishaps(std::size_t box, SteadyTime from, SteadyTime to);
  void draw_assaults(std::size_t box, SteadyTime from, SteadyTime to);
  void apply(const Spell& spell, What what, const std::string& name, Fate& fate);

  simulator::Random random_;
  std::vector<Spell> spells_;
  std::vector<Event> mishaps_;
  std::vector<Assault> assaults_;
};

}  // namespace layby::simulation

#endif  // LAYBY_TESTS_SIMULATION_ADVERSARY_H_
