// SPDX-License-Identifier: Apache-2.0
//
// Fetches the images of a list before anyone asks for them: the list, a run through it,
// and the plan of what a run would cost. Runs give way to clients and leave the reserve of
// the pull limit alone. All on the loop thread. src/cache/DESIGN.md has the states.

#ifndef LAYBY_CACHE_PREFETCH_H_
#define LAYBY_CACHE_PREFETCH_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layby/base/async.h"
#include "layby/base/result.h"
#include "layby/cache/cache.h"
#include "layby/cache/image_parts.h"
#include "layby/oci/platform.h"
#include "layby/policy/tag_pattern.h"

namespace layby::cache {

struct PrefetchImage {
  const Origin* origin = nullptr;
  std::string repository;  // "library/python"
  std::vector<policy::TagPattern> tags;
  PlatformChoice choice;
  bool pin = false;
};

struct PrefetchList {
  std::vector<PrefetchImage> images;
  std::uint64_t max_rate = 0;  // Bytes a second; 0 for no limit.
  int concurrency = 2;         // Blobs at a time.
  // How long a moved tag keeps its old image while the old image is whole and the new one
  // is not. After that, clients fetch the new image themselves.
  std::chrono::milliseconds hold{std::chrono::hours(24)};
};

enum class PrefetchState {
  kWaiting,    // Not checked yet, or to be checked again.
  kChecking,   // Upstream was asked for the tag's digest.
  kManifests,  // Manifests are missing.
  kFetching,   // Blobs are missing.
  kDone,       // This run fetched the blobs, and the tag stands for them.
  kCurrent,    // Nothing was missing.
  kFailed,
  kStopped,  // The run was stopped first.
};
std::string_view to_string(PrefetchState state);

// One tag of the list in a run.
struct PrefetchTag {
  TagKey tag;
  PrefetchState state = PrefetchState::kWaiting;
  std::optional<oci::Digest> before;  // The digest it had here.
  std::optional<oci::Digest> now;     // The digest that upstream names.
  bool bytes_known = false;           // All manifests are there; otherwise bytes_total is too low.
  std::uint64_t bytes_total = 0;      // To fetch in this run, whether fetched yet or not.
  std::uint64_t bytes_done = 0;
  std::uint64_t image_bytes = 0;  // Of all its blobs, cached ones included.
  // Pulls it needs, one for each missing manifest. An estimate until its index is here.
  std::uint64_t pulls = 0;
  // The size of the old image here, while the new image isn't known: an estimate of it.
  std::uint64_t before_bytes = 0;
  std::string error;
};

// The progress or the result of a run.
struct PrefetchReport {
  std::vector<PrefetchTag> tags;
  std::vector<std::string> troubles;  // Lists of tags that can't be fetched.
  bool over = false;
  bool stopped = false;
  std::string waits_for;  // Why no work is under way; empty when some is.
  std::uint64_t pulls_spent = 0;
  // The size of all blobs of these images, each counted once, and the room for them.
  std::uint64_t list_bytes = 0;
  std::uint64_t capacity_bytes = 0;

  bool failed() const;
  // A blob that several images need is counted once.
  std::uint64_t bytes_total = 0;
  std::uint64_t bytes_done = 0;
};

class PrefetchRun;

// Owns the list, the run under way and the report of the last run.
class Prefetcher {
 public:
  struct Context;  // src/cache/prefetch_run.h

  explicit Prefetcher(const Context& context);
  ~Prefetcher();

  // Replaces the list. A run and plans under way are stopped; a plan that begins inside such a
  // plan's answer has the new list.
  void set_list(PrefetchList list);

  // Begins a run, unless one is under way. Returns the run's number, counted from 1.
  std::uint64_t start();
  // Ends the run. Fetched content stays, and the next run goes on from it.
  void stop();
  bool running() const { return run_ != nullptr; }
  // The number of the present or the last run; 0 before the first run.
  std::uint64_t run() const { return number_; }
  PrefetchReport report() const;

  // What a run would do, from free requests alone. With `sizes`, missing manifests are
  // fetched too, so that all sizes are known. They count as pulls, and a run needs them.
  Handle plan(bool sizes, std::function<void(PrefetchReport)> done);

  // `then` is called when a run has ended by itself.
  void on_ended(std::function<void()> then) { on_ended_ = std::move(then); }
  // `then` is called when a listed tag was found to have moved.
  void on_moved(std::function<void()> then) { on_moved_ = std::move(then); }

 private:
  class Plan;

  // Stopping comes first: it tells nobody, so the list may change before the answers.
  void stop_plans();
  void answer_stopped_plans();
  // Whether a tag keeps its old image until a run has fetched the new one.
  bool holds(const TagMove& move);
  void on_run_over();

  const std::unique_ptr<const Context> context_;
  PrefetchList list_;
  std::unique_ptr<PrefetchRun> run_;
  std::uint64_t number_ = 0;
  PrefetchReport last_;
  std::vector<Plan*> plans_;
  std::function<void()> on_ended_;
  std::function<void()> on_moved_;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_PREFETCH_H_
