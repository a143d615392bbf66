// SPDX-License-Identifier: Apache-2.0
//
// A run through the prefetch list, or a plan of a run. Each tag is a job. A job asks upstream for
// the tag's digest, then fetches the manifests of the wanted platforms, then the blobs. The tag
// moves when all these parts are stored. step() begins the requests and fetches, and runs again
// after every answer and every wait. DESIGN.md has the states. Lives on the loop thread.
//
// Invariants: a job in kChecking has a request, a job in kManifests may have a request, and any
// other job has none; a job in kManifests lacks at least one manifest; a blob has at most one
// flight, however many jobs need the blob; nothing begins after over_ is set.

#ifndef LAYBY_CACHE_PREFETCH_RUN_H_
#define LAYBY_CACHE_PREFETCH_RUN_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cache/fills.h"
#include "cache/manifests.h"
#include "layby/cache/image_parts.h"
#include "layby/cache/prefetch.h"

namespace layby::cache {

// What the list wants for one tag: the union of all entries that match the tag.
struct ListedTag {
  PlatformChoice choice;
  bool pin = false;
};
// Joins the entries of the list that match `tag`; nullopt when no entry matches.
std::optional<ListedTag> find_listed(const PrefetchList& list, const TagKey& tag);

struct Prefetcher::Context {
  const Rules& rules;
  Store& store;
  Timers& timers;
  const Clock& clock;
  Counters& counters;
  Manifests& manifests;
  Fills& fills;
  events::Events& events;
};

class PrefetchRun {
 public:
  enum class Depth {
    kPlan,   // Finds the missing content, and spends no pull.
    kSizes,  // Fetches missing manifests too, to learn all sizes.
    kWhole,  // Fetches everything.
  };
  using Context = Prefetcher::Context;

  // `on_over` may destroy the run. `list` outlives the run. The run displaces no content that was
  // used after `used_since`.
  PrefetchRun(const Context& context, const PrefetchList& list, Depth depth, WallTime used_since,
              std::function<void()> on_over);
  ~PrefetchRun();

  void start();
  // Ends the run. After stop(), `on_over` isn't called, and only report() may be called.
  void stop();
  PrefetchReport report() const;

 private:
  // After this many failures in a row, the run gives up a tag or a list.
  static constexpr int kMostFailures = 5;
  static constexpr std::chrono::seconds kFirstRetry{5};

  // A wait before the next try.
  struct Pause {
    SteadyTime until{};
    std::string reason;  // For people.
  };

  struct Job {
    PrefetchTag seen;
    const PrefetchImage* image = nullptr;
    ListedTag listed;
    Handle request;
    Handle look;           // The request to the store for the image's parts.
    WallTime looked_at{};  // The time at which the registry named seen.now.
    std::vector<oci::Digest> missing_manifests;
    std::vector<ImageBlob> missing_blobs;  // The blobs missing when the job was planned.
    std::vector<ImageChild> children;      // The wanted manifests of the image's index.
    std::string losses;                    // The children that can't be had, with the reasons.
    bool may_be_index = true;              // Judged by the media type that upstream stated.
    int failures = 0;                      // Failures in a row.
    Pause pause;
    bool looks_at_limit = false;  // The job's next pull waits for a check of the limit.

    const Upstream& upstream() const { return *image->origin->upstream; }
  };
  using JobPtr = std::unique_ptr<Job>;

  // An image whose patterns need upstream's list of tags.
  struct Listing {
    const PrefetchImage* image = nullptr;
    std::vector<std::string> tags;
    int failures = 0;
    Pause pause;
  };

  void soon();
  void wake_within(std::chrono::milliseconds duration);
  // Whether new work must wait; if so, step() runs again after the wait.
  bool put_off(const Upstream& upstream, Ask ask);
  bool put_off(const Pause& pause);
  // The reason for a plan to give up instead of waiting for `upstream`. Returns nullopt for a run
  // that fetches, and for a short wait.
  std::optional<Error> gives_up(const Upstream& upstream, Ask ask) const;
  void step();

  void start_listing();
  void on_tags(Result<TagPage> page);
  void take_cached_tags(const Error& error);
  void end_listing();
  void add_job(const PrefetchImage& image, const std::string& tag);
  void set_pins();

  void start_checks();
  void on_checked(Job& job, const Result<ManifestHead>& head);
  void start_manifests();
  // Whether the job's next manifest is stored by now, or being fetched for another job.
  bool is_had_or_coming(Job& job);
  bool is_outdated(const Upstream& upstream) const;
  void check_anew(Job& job);
  void on_manifest(Job& job, const Status& stored);
  // Asks the store which parts of the job's image are missing, and plans the job's next step.
  void look_at(Job& job);
  using OnParts = void (PrefetchRun::*)(Job& job, const ImageParts& parts);
  // Calls `then` with the parts of `root` in a later turn, unless the job fails or the run stops.
  void ask_parts(Job& job, const oci::Digest& root, OnParts then);
  void on_looked(Job& job, const ImageParts& parts);
  void on_before(Job& job, const ImageParts& parts);
  void plan_blobs(Job& job, const ImageParts& parts);
  void on_used(Result<Store::UsedBlobs> used);
  void count_listed(const ImageParts& parts);
  bool make_fit(Job& job, const ImageParts& parts);
  Spare spare() const;
  void start_blobs();
  bool start_blobs(Job& job);
  void on_blob(const oci::Digest& digest, const Status& stored);
  void finish(Job& job);
  void on_finished(Job& job, const ImageParts& parts);
  void settle(Job& job, PrefetchState state);

  void fail(Job& job, const Error& error);
  // If `error` says that upstream doesn't have `part`, goes on without the children that need this
  // part. Fails the job if no platform is left. Returns false, and does nothing, for other errors
  // and for parts that belong to no child.
  bool go_without(Job& job, const oci::Digest& part, const Error& error);
  // Tries the job again after a pause, unless the error is final or errors came too often in a
  // row.
  void fail_or_retry(Job& job, const Error& error);
  bool is_settled(const Job& job) const;
  std::uint64_t fetched_bytes(const ImageBlob& blob) const;

  const Context context_;
  const PrefetchList& list_;
  const Depth depth_;
  const WallTime used_since_;
  std::function<void()> on_over_;
  std::vector<JobPtr> jobs_;
  std::set<TagKey> known_tags_;
  // The listings that are still to be fetched; the first is fetched next.
  std::vector<Listing> listings_;
  Handle listing_;
  bool pins_set_ = false;
  std::map<oci::Digest, Handle> flights_;  // Blobs under way.
  std::set<oci::Digest> fetched_;          // Blobs that were missing and are stored now.
  std::set<oci::Digest> counted_;          // Blobs counted in list_bytes_.
  std::uint64_t list_bytes_ = 0;
  Handle used_look_;                      // The request to the store for the used blobs.
  std::optional<Store::UsedBlobs> used_;  // Set when the store has answered. Then work begins.
  std::uint64_t used_bytes_ = 0;          // The size of the blobs in used_ that aren't in counted_.
  std::uint64_t capacity_bytes_ = 0;
  std::uint64_t pulls_spent_ = 0;
  std::vector<std::string> troubles_;
  std::string waits_for_;
  std::optional<std::chrono::milliseconds> wake_in_;
  Handle soon_;
  Handle wake_;
  bool over_ = false;
  bool stopped_ = false;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_PREFETCH_RUN_H_
