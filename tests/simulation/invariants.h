// SPDX-License-Identifier: Apache-2.0
//
// The promises of docs/promises.md, checked while the simulation runs. The actors tell what was
// asked and answered; the first broken promise is kept, with its time.

#ifndef LAYBY_TESTS_SIMULATION_INVARIANTS_H_
#define LAYBY_TESTS_SIMULATION_INVARIANTS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "layby/cache/cache.h"
#include "simulation/adversary.h"
#include "simulation/bounds.h"
#include "simulation/content.h"
#include "simulation/world.h"

namespace layby::simulation {

struct Violation {
  std::string promise;  // "one GET for a digest"
  std::string what;
  milliseconds at{0};
  std::size_t box = 0;
};

// A wait of an honest client.
struct Asked {
  std::size_t box = 0;
  std::string what;
  std::optional<oci::Digest> blob;  // nullopt for a tag or a manifest.
  SteadyTime at{};
  milliseconds bound{0};   // With or without trouble.
  milliseconds fair{0};    // Without trouble.
  bool held_back = false;  // A blob whose bytes all wait for the digest, unless it isn't kept.
};

// A wait that ended with an answer, and had no trouble.
struct FairWait {
  milliseconds wait{0};
  milliseconds bound{0};
  std::string what;
  bool blob = false;
  std::string attack;  // The attack that ran meanwhile; empty if none ran.
};
// The ten longest waits of one kind, longest first.
class WorstWaits {
 public:
  void add(FairWait wait);
  void add(const WorstWaits& others);
  const std::vector<FairWait>& longest() const { return longest_; }
  // The largest share of its bound that any wait used.
  double most_of_bound() const { return most_of_bound_; }

 private:
  std::vector<FairWait> longest_;
  double most_of_bound_ = 0;
};
// The waits for tags and manifests, and for blobs.
struct Worst {
  WorstWaits small;
  WorstWaits blobs;
};

class Invariants {
 public:
  // `parents` has the parent of each box, if any. References outlive the Invariants.
  Invariants(World& world, const Adversary& adversary, const Content& content,
             std::vector<std::optional<std::size_t>> parents)
      : world_(world), adversary_(adversary), content_(content), parents_(std::move(parents)) {}

  // A client asks. Returns the number of the question, for answered() or left().
  std::uint64_t asked(Asked question);
  // The answer, good or bad; `exists` says that the registry has what was asked for.
  void answered(std::uint64_t question, const Status& status, bool exists);
  void left(std::uint64_t question) { open_.erase(question); }
  // Upstream sent a wrong byte of the blob to the box.
  void sent_wrong_byte(std::size_t box, const oci::Digest& digest);
  // The box doesn't keep the blob, so the blob passes through memory.
  void unkept(std::size_t box, const oci::Digest& digest);
  // A box answered a request for a tag. `jumped` is the sum of the jumps of
  // the box's clock and of its parents' clocks.
  void tag_answered(std::size_t box, const ImageName& name, SteadyTime asked_at,
                    const Result<cache::ManifestAnswer>& answer, milliseconds jumped);

  // Checks that no wait is longer than its bound. Called after each step.
  void check();

  void broke(std::size_t box, std::string promise, std::string what);
  const std::optional<Violation>& violation() const { return violation_; }
  // How many blobs failed because of an earlier wrong byte, without trouble.
  std::uint64_t poisoned() const { return poisoned_; }
  // Whether the box and its parent had no trouble between `from` and `to`.
  bool calm(std::size_t box, bool blob, SteadyTime from, SteadyTime to) const;

  // The registry's pull limit is used up, so no wait of `box` counts as fair until `until`.
  void excuse(std::size_t box, SteadyTime until) { excused_[box] = until; }

  // Most of the requests of the minute of `box` are used up, so its children may wait for their
  // turns.
  void note_busy(std::size_t box) { busy_[box] = world_.steady_now(); }

  std::uint64_t questions() const { return asked_; }
  std::uint64_t good() const { return good_; }
  std::size_t open() const { return open_.size(); }
  // The longest waits without trouble.
  const Worst& worst() const { return worst_; }

 private:
  using BlobAt = std::pair<std::size_t, oci::Digest>;  // A blob in a box.
  // The failures that one wrong byte explains are those at one moment.
  struct Poison {
    SteadyTime at;
    std::optional<SteadyTime> failed_at;
  };
  // The longest fair wait of `asked`.
  milliseconds fair_wait(const Asked& asked) const;
  // Whether a wrong byte explains that the blob of `asked` is corrupt.
  bool is_poisoned(const Asked& asked);

  World& world_;
  const Adversary& adversary_;
  const Content& content_;
  const std::vector<std::optional<std::size_t>> parents_;
  std::map<std::uint64_t, Asked> open_;
  std::map<std::pair<SteadyTime, std::uint64_t>, std::uint64_t> due_;
  std::uint64_t asked_ = 0;
  std::uint64_t good_ = 0;
  Worst worst_;
  std::map<std::size_t, SteadyTime> excused_;
  std::map<std::size_t, SteadyTime> busy_;
  std::map<BlobAt, Poison> poisons_;
  std::map<BlobAt, SteadyTime> unkept_;
  std::uint64_t poisoned_ = 0;
  std::optional<Violation> violation_;
};

}  // namespace layby::simulation

#endif  // LAYBY_TESTS_SIMULATION_INVARIANTS_H_
