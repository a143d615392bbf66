// SPDX-License-Identifier: Apache-2.0
//
// Images that are fetched before anyone asks, by a list: what is on it, how a run through
// it goes, and what it would cost. Runs stay behind clients and keep to the pull limit's
// reserve. All on the loop thread. src/cache/DESIGN.md has the states.

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

#include "layby/base/result.h"
#include "layby/cache/async.h"
#include "layby/cache/cache.h"
#include "layby/oci/platform.h"
#include "layby/policy/tag_pattern.h"

namespace layby::cache {

// Which of an index's manifests are wanted. The index itself is served whole.
struct PlatformChoice {
  std::vector<oci::Platform> platforms;
  bool attestations = false;
};

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
  // How long a tag that moved keeps its old image, while that is whole and the new one is
  // not; then clients fetch it themselves.
  std::chrono::milliseconds hold{std::chrono::hours(24)};
};

enum class PrefetchState {
  kWaiting,    // Not looked at yet, or again after a failure.
  kChecking,   // Upstream was asked what the tag is.
  kManifests,  // Manifests are missing.
  kFetching,   // Blobs are missing.
  kDone,       // They came in this run, and the tag stands for them.
  kCurrent,    // All was there.
  kFailed,
  kStopped,  // The run ended first.
};
std::string_view to_string(PrefetchState state);

// One tag of the list in a run.
struct PrefetchTag {
  TagKey tag;
  PrefetchState state = PrefetchState::kWaiting;
  std::optional<oci::Digest> before;  // What it stood for here.
  std::optional<oci::Digest> now;     // What upstream says.
  bool bytes_known = false;           // All manifests are there; else bytes_total is too low.
  std::uint64_t bytes_total = 0;      // To fetch in this run, done or not.
  std::uint64_t bytes_done = 0;
  std::uint64_t image_bytes = 0;  // Of its blobs, those that were there too.
  // Pulls that it needs, before they are known at the least: one for each manifest.
  std::uint64_t pulls = 0;
  // What its blobs here come to, where it is another image: about what the new one takes.
  std::uint64_t before_bytes = 0;
  std::string error;
};

// A run, or what came of it.
struct PrefetchReport {
  std::vector<PrefetchTag> tags;
  std::vector<std::string> troubles;  // Lists of tags that can't be had.
  bool over = false;
  bool stopped = false;
  std::string waits_for;  // Why nothing goes on; empty when something does.
  std::uint64_t pulls_spent = 0;
  // Of all blobs of these images, each once, and what there is room for.
  std::uint64_t list_bytes = 0;
  std::uint64_t capacity_bytes = 0;

  bool failed() const;
  // Of blobs that several need, one fetch.
  std::uint64_t bytes_total = 0;
  std::uint64_t bytes_done = 0;
};

class PrefetchRun;

// The list, the run under way and what the last one came to.
class Prefetcher {
 public:
  struct Context;  // src/cache/prefetch_run.h

  explicit Prefetcher(const Context& context);
  ~Prefetcher();

  // Takes the place of the earlier list. A run and plans under way are stopped.
  void set_list(PrefetchList list);

  // Begins a run, unless one is under way. Gives its number: they count up from 1.
  std::uint64_t start();
  // Ends it; what came is kept, and the next run goes on there.
  void stop();
  bool running() const { return run_ != nullptr; }
  // Of the present or the last run; 0 before the first.
  std::uint64_t run() const { return number_; }
  PrefetchReport report() const;

  // What a run would do, by free questions alone; with `sizes`, manifests that are missing
  // are fetched (they count as pulls, and a run needs them) and all sizes are known.
  Handle plan(bool sizes, std::function<void(PrefetchReport)> done);

  // `then` is called when a run has ended by itself.
  void on_ended(std::function<void()> then) { on_ended_ = std::move(then); }
  // `then` is called when a listed tag was found to have moved.
  void on_moved(std::function<void()> then) { on_moved_ = std::move(then); }

 private:
  class Plan;

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
