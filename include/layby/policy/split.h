// SPDX-License-Identifier: Apache-2.0
//
// Decides over how many connections one blob comes, and how large the parts of the blob are. A fill
// begins with one connection. When the rate is steady and much of the blob is left, the fill tries
// twice as many connections for a moment, and keeps them if the rate has risen clearly. So a clean
// fast link stays at one connection. The rate must also rise above the usual rate of as many
// connections as the link had before, because the rate before may have been low only for a moment.
// After a trial that gained, later blobs begin with as many connections. If the usual rate of the
// next seconds doesn't bear out the gain, all blobs go back. The clock is an argument.
//
// Invariants: 1 <= connections() <= most; a trial is under way exactly while before_ is set, and
// then it is the only trial of the link.

#ifndef LAYBY_POLICY_SPLIT_H_
#define LAYBY_POLICY_SPLIT_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "layby/base/clock.h"

namespace layby::policy {

struct SplitRules {
  std::uint64_t least_part_bytes = 256 << 10;
  std::uint64_t most_part_bytes = 32 << 20;

  bool operator==(const SplitRules&) const = default;
};

// The bytes that came until now.
struct SplitBytes {
  std::uint64_t own = 0;   // Bytes of this blob.
  std::uint64_t all = 0;   // Bytes of all blobs that share the link.
  std::uint64_t left = 0;  // The missing bytes of this blob.
  int connections = 1;     // The connections of all blobs that share the link, now.
};

class Split;

// The trials of all blobs that share a link. Two trials at the same time would spoil each other's
// measurements. A failed trial says that more connections gain nothing on this link, so the next
// trial waits, whichever blob makes it. Five minutes after the last trial the link is unknown
// again.
class SplitTrials {
 private:
  friend class Split;
  static constexpr std::chrono::seconds kFirstPause{10};
  static constexpr std::size_t kMostCounted = 64;  // More connections count as so many.

  // The mean rate of the last ticks with a number of connections.
  struct Usual {
    double bytes_per_second = 0;
    int ticks = 0;
    SteadyTime at{};
  };
  void note_rate(int connections, double bytes_per_second, SteadyTime now);
  // The highest usual rate of at most `connections` connections; 0 if unknown.
  double usual_rate(int connections, SteadyTime now) const;
  // A gain that isn't proven yet.
  struct Gain {
    SteadyTime at;
    int connections = 1;         // Of all blobs before the trial.
    int connections_before = 1;  // Of one blob.
    double needed = 0;           // The least usual rate of more connections.
  };
  void note_gain(const Gain& gain);
  // Takes back a gain that the usual rate doesn't bear out.
  void prove_gain(SteadyTime now);
  void pause(SteadyTime now);

  const Split* under_way_ = nullptr;
  SteadyTime next_{};
  std::chrono::milliseconds pause_ = kFirstPause;  // The time from a failed trial to the next one.
  int connections_ = 1;                            // With which a blob begins until known_until_.
  SteadyTime known_until_{};
  std::array<Usual, kMostCounted + 1> usual_{};  // By the number of connections.
  std::optional<Gain> gain_;
};

class Split {
 public:
  // How often on_tick() is called.
  static constexpr std::chrono::milliseconds kTick{500};

  // `link` outlives the Split.
  Split(const SplitRules& rules, int most, SplitTrials& link, SteadyTime now);
  ~Split() { end_trial(); }
  Split(const Split&) = delete;
  Split& operator=(const Split&) = delete;

  // Takes a measurement. The first measurement only gives the later ones a beginning.
  void on_tick(SteadyTime now, const SplitBytes& bytes);
  // Ends a trial. The measurements begin anew, because the transfer began anew or waited.
  void on_gap();
  // Ends a trial, and goes back to one connection.
  void give_up();

  int connections() const { return connections_; }
  bool is_trying() const { return before_.has_value(); }
  // The size of the next part, which takes one connection about three seconds. The parts get
  // smaller near the end of the blob, down to a second, so that all connections end at about the
  // same time.
  std::uint64_t part_bytes(std::uint64_t left_bytes) const;
  // Whether the bytes at `distance` beyond the front are worth a request of their own, because the
  // front would take more than a second to reach them.
  bool is_far(std::uint64_t distance) const;

 private:
  // Bytes a second.
  struct Rates {
    double own = 0;
    double all = 0;
  };
  struct Sample {
    SteadyTime at;
    SplitBytes bytes;
  };
  void begin_trial(SteadyTime now, const Rates& before, int connections_of_all);
  void judge(SteadyTime now, const Rates& rates);
  void end_trial();
  bool may_try(SteadyTime now, std::uint64_t left_bytes) const;

  const SplitRules rules_;
  const int most_;
  SplitTrials& link_;
  int connections_ = 1;
  std::optional<Sample> last_;
  Rates rates_;                  // Of the last two ticks.
  Rates last_rates_;             // Of the last tick.
  int ticks_ = 0;                // The measured ticks since the connections changed.
  std::optional<Rates> before_;  // The rates before the trial.
  int connections_before_ = 1;
  int all_before_ = 1;  // The connections of all blobs before the trial.
};

}  // namespace layby::policy

#endif  // LAYBY_POLICY_SPLIT_H_
