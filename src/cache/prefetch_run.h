// SPDX-License-Identifier: Apache-2.0
//
// One run through the prefetch list, or the plan of one. Each tag is a job: upstream names
// the tag's digest, then the manifests of the wanted platforms are fetched, then their
// blobs. The tag moves when all of them are stored. Only step() begins work; every answer
// and every wait leads back to it. States in DESIGN.md. Lives on the loop thread.
//
// Invariants: a job has a request in kChecking and kManifests only, and always in
// kChecking; a job in kManifests misses a manifest; a blob has at most one flight, however
// many jobs need it; after over_ is set nothing begins.

#ifndef LAYBY_CACHE_PREFETCH_RUN_H_
#define LAYBY_CACHE_PREFETCH_RUN_H_

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

// What the list wants of a tag, all matching entries joined; nullopt when none matches.
struct ListedTag {
  PlatformChoice choice;
  bool pin = false;
};
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
    kPlan,   // Finds what is missing, by free requests alone.
    kSizes,  // Fetches missing manifests too, to know all sizes.
    kWhole,  // Fetches everything.
  };
  using Context = Prefetcher::Context;

  // `on_over` may destroy the run. `list` outlives the run.
  PrefetchRun(const Context& context, const PrefetchList& list, Depth depth,
              std::function<void()> on_over);
  ~PrefetchRun();

  void start();
  // Ends the run. on_over isn't called after this, and only report() may be called.
  void stop();
  PrefetchReport report() const;

 private:
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
    Handle look;  // The question which parts of it are stored.
    std::vector<oci::Digest> missing_manifests;
    std::vector<ImageBlob> missing_blobs;  // Those missing when its manifests became known.
    bool may_be_index = true;              // By the media type that upstream stated.
    int failures = 0;                      // In a row.
    Pause pause;
    bool looks_at_limit = false;  // Its next pull waits for a check of the pull limit.

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
  // Whether the work must wait; if so, step() runs again after the wait.
  bool put_off(const Upstream& upstream, Ask ask);
  bool put_off(const Pause& pause);
  void step();

  void start_listing();
  void on_tags(Result<TagPage> page);
  void end_listing();
  void add_job(const PrefetchImage& image, const std::string& tag);
  void set_pins();

  void start_checks();
  void on_checked(Job& job, const Result<ManifestHead>& head);
  void start_manifests();
  // Whether its next manifest is stored by now, or being fetched for another job.
  bool is_had_or_coming(Job& job);
  bool is_outdated(const Upstream& upstream) const;
  void check_anew(Job& job);
  void on_manifest(Job& job, const Status& stored);
  // Finds from the store where the job stands.
  void look_at(Job& job);
  using OnParts = void (PrefetchRun::*)(Job& job, const ImageParts& parts);
  // Calls `then` with the parts of `root` at a later turn, unless the job fails or the run stops.
  void ask_parts(Job& job, const oci::Digest& root, OnParts then);
  void on_looked(Job& job, const ImageParts& parts);
  void on_before(Job& job, const ImageParts& parts);
  void plan_blobs(Job& job, const ImageParts& parts);
  bool make_fit(Job& job, const ImageParts& parts);
  void start_blobs();
  bool start_blobs(Job& job);
  void on_blob(const oci::Digest& digest, const Status& stored);
  void finish(Job& job);
  void on_finished(Job& job, const ImageParts& parts);
  void settle(Job& job, PrefetchState state);

  void fail(Job& job, const Error& error);
  // Tries again a little later, unless the error is final or came too often in a row.
  void fail_or_retry(Job& job, const Error& error);
  bool is_settled(const Job& job) const;
  std::uint64_t fetched_bytes(const ImageBlob& blob) const;

  const Context context_;
  const PrefetchList& list_;
  const Depth depth_;
  std::function<void()> on_over_;
  std::vector<JobPtr> jobs_;
  std::set<TagKey> known_tags_;
  std::vector<Listing> listings_;  // Still to be fetched; the first is under way.
  Handle listing_;
  bool pins_set_ = false;
  std::map<oci::Digest, Handle> flights_;  // Blobs under way.
  std::set<oci::Digest> fetched_;          // Blobs that came during the run, for any reason.
  std::set<oci::Digest> counted_;          // Blobs in list_bytes_.
  std::uint64_t list_bytes_ = 0;
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
