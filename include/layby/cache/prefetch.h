// SPDX-License-Identifier: Apache-2.0
//
// Fetches the images of a list before anyone asks for them. A run fetches the list's images. A plan
// says what a run would cost. Runs give way to clients and don't use the reserve of the pull limit.
// Lives on the loop thread. src/cache/DESIGN.md has the states.

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
#include "layby/base/clock.h"
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
  int concurrency = 2;         // The most blobs that are fetched at a time.
  // How long a moved tag keeps its old, whole image while the new image isn't whole. After this
  // time, clients fetch the new image themselves.
  std::chrono::milliseconds hold{std::chrono::hours(24)};
};

enum class PrefetchState {
  kWaiting,    // The tag is not checked yet, or will be checked again.
  kChecking,   // Upstream was asked for the tag's digest.
  kManifests,  // Manifests are missing.
  kFetching,   // Blobs are missing.
  kDone,       // This run fetched the missing blobs, and the tag names the new image.
  kCurrent,    // No blob was missing.
  kFailed,
  kStopped,  // The run was stopped before the tag was done.
};
std::string_view to_string(PrefetchState state);

// One tag of the list in a run.
struct PrefetchTag {
  TagKey tag;
  PrefetchState state = PrefetchState::kWaiting;
  std::optional<oci::Digest> before;  // The digest that the tag had here before the run.
  std::optional<oci::Digest> now;     // The digest that upstream names.
  bool bytes_known = false;           // All manifests are stored; until then bytes_total is 0.
  // The bytes of the blobs that this run has to fetch or has fetched.
  std::uint64_t bytes_total = 0;
  std::uint64_t bytes_done = 0;
  std::uint64_t image_bytes = 0;  // The bytes of all the image's blobs, cached blobs included.
  // How many manifests of the image are missing; each costs a pull. An estimate until the index is
  // stored.
  std::uint64_t pulls = 0;
  // The size of the cached old image: an estimate of the new image's size, while the new size
  // isn't known.
  std::uint64_t before_bytes = 0;
  std::vector<Substitute> substitutes;  // Empty until the index is stored.
  std::string error;
};

// The progress or the result of a run.
struct PrefetchReport {
  std::vector<PrefetchTag> tags;
  // Messages about lists of tags that can't be fetched, and patterns that match no tag.
  std::vector<std::string> troubles;
  bool over = false;
  bool stopped = false;
  std::string waits_for;  // Why no work is under way; empty during work.
  std::uint64_t pulls_spent = 0;
  // The size of the listed images, each blob counted once, and the most bytes that the cache can
  // store.
  std::uint64_t list_bytes = 0;
  std::uint64_t capacity_bytes = 0;

  bool failed() const;
  // Sums of the tags' bytes; a blob that several images need is counted once.
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

  // Replaces the list. Stops the run and the plans that are under way. The stopped plans are
  // answered after the list has been replaced.
  void set_list(PrefetchList list);

  // Begins a run, unless a run is under way. Returns the run's number, counted from 1.
  std::uint64_t start();
  // Ends the run. Fetched content stays, so the next run needs to fetch only the rest.
  void stop();
  bool running() const { return run_ != nullptr; }
  // The number of the present or the last run; 0 before the first run.
  std::uint64_t run() const { return number_; }
  PrefetchReport report() const;

  // Reports what a run would do, and sends only requests that cost no pull. With `sizes`, missing
  // manifests are fetched too, so that all sizes are known. Each of these manifests costs a pull
  // now, and no pull in a later run.
  Handle plan(bool sizes, std::function<void(PrefetchReport)> done);

  // `then` is called when a run has ended without stop().
  void on_ended(std::function<void()> then) { on_ended_ = std::move(then); }
  // `then` is called when a listed tag was found to have moved.
  void on_moved(std::function<void()> then) { on_moved_ = std::move(then); }

 private:
  class Plan;

  // stop_plans() calls no callback, so the list may be replaced before the plans are answered.
  void stop_plans();
  void answer_stopped_plans();
  // Asks whether a tag keeps its old image until a run has fetched the new image. Returns null, and
  // never calls `done`, if the list alone shows that the tag doesn't keep the old image. The
  // question may outlive the prefetcher.
  Handle ask_hold(const TagMove& move, std::function<void(bool)> done);
  void on_run_over();
  // A run evicts no content that was used after this time.
  WallTime used_since() const;

  const std::unique_ptr<const Context> context_;
  PrefetchList list_;
  std::unique_ptr<PrefetchRun> run_;
  std::uint64_t number_ = 0;
  PrefetchReport last_;
  std::optional<WallTime> last_ended_;  // The end of the last run that was not stopped.
  std::vector<Plan*> plans_;
  std::function<void()> on_ended_;
  std::function<void()> on_moved_;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_PREFETCH_H_
