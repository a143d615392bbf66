// SPDX-License-Identifier: Apache-2.0
//
// One run through the prefetch list, or the plan of one. Each tag is a job that goes from
// what upstream says it is, over the manifests of the wanted platforms, to their blobs;
// the tag moves when all of them are stored. What may be begun is decided in one place,
// step(), which every answer and every wait leads back to. States in DESIGN.md. Lives on
// the loop thread.

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
#include "cache/image_parts.h"
#include "cache/manifests.h"
#include "layby/cache/prefetch.h"

namespace layby::cache {

// What is wanted of a tag by all that the list says of it; nullopt when it isn't listed.
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
};

class PrefetchRun {
 public:
  enum class Depth {
    kPlan,   // What is missing, as far as that can be known for free.
    kSizes,  // The same, with all manifests.
    kWhole,
  };
  using Context = Prefetcher::Context;

  // `on_over` may destroy the run. The list outlives it.
  PrefetchRun(const Context& context, const PrefetchList& list, Depth depth,
              std::function<void()> on_over);
  ~PrefetchRun();

  void start();
  // The last call: on_over isn't called any more.
  void stop();
  PrefetchReport report() const;

 private:
  // Something is begun again later.
  struct Pause {
    SteadyTime until{};
    std::string reason;  // For people.
  };

  struct Job {
    PrefetchTag seen;
    const PrefetchImage* image = nullptr;
    ListedTag listed;
    Handle request;
    std::vector<oci::Digest> missing_manifests;
    std::vector<ImageBlob> missing_blobs;  // When its manifests were known.
    bool may_be_index = true;              // By what upstream says of its type.
    int failures = 0;                      // In a row.
    Pause pause;
    bool looks_at_limit = false;  // Its next pull waits for a check, and others' for it.

    const Upstream& upstream() const { return *image->origin->upstream; }
  };
  using JobPtr = std::unique_ptr<Job>;

  // A pattern that needs upstream's list of tags.
  struct Listing {
    const PrefetchImage* image = nullptr;
    std::vector<std::string> tags;
    int failures = 0;
    Pause pause;
  };

  void soon();
  void wait(std::chrono::milliseconds duration);
  // Whether it must be put off; then step() comes again.
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
  // Whether its next manifest is stored by now, or on its way.
  bool is_had_or_coming(Job& job);
  bool is_outdated(const Upstream& upstream) const;
  void check_anew(Job& job);
  void on_manifest(Job& job, const Status& stored);
  // Where the job stands, by what is stored.
  void look_at(Job& job);
  void plan_blobs(Job& job, const ImageParts& parts);
  bool make_fit(Job& job, const ImageParts& parts);
  void start_blobs();
  bool start_blobs(Job& job);
  void on_blob(const oci::Digest& digest, const Status& stored);
  void finish(Job& job);
  void settle(Job& job, PrefetchState state);

  void fail(Job& job, const Error& error);
  // Again a little later, for as long as there is hope.
  void fail_or_retry(Job& job, const Error& error);
  bool is_settled(const Job& job) const;
  std::uint64_t fetched_bytes(const ImageBlob& blob) const;

  const Context context_;
  const PrefetchList& list_;
  const Depth depth_;
  std::function<void()> on_over_;
  std::vector<JobPtr> jobs_;
  std::set<TagKey> known_tags_;
  std::vector<Listing> listings_;  // Still to be had, the first under way.
  Handle listing_;
  bool pins_set_ = false;
  std::map<oci::Digest, Handle> flights_;  // Blobs under way.
  std::set<oci::Digest> fetched_;          // Blobs that came, for whomever.
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
