// SPDX-License-Identifier: Apache-2.0
//
// Every answer causes a call of step() in a later turn. step() looks at all jobs and begins the
// work that may begin.

#include "cache/prefetch_run.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "cache/manifest_fetch.h"
#include "cache/subject.h"
#include "cache/with_retries.h"
#include "layby/base/log.h"
#include "layby/oci/manifest.h"

namespace layby::cache {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// More checks than fetches of manifests run at a time, because a check is small and costs no pull.
constexpr int kChecksAtATime = 4;
constexpr int kManifestsAtATime = 2;

// Work that was put off is looked at again after this time at the latest.
constexpr seconds kLongestWait{60};
// When the known state of the pull limit is older than this, a check asks for the state anew.
constexpr seconds kOutdated{20};
// The longest wait before the check that asks for the pull limit anew.
constexpr std::chrono::minutes kNextLook{5};

}  // namespace

std::optional<ListedTag> find_listed(const PrefetchList& list, const TagKey& tag) {
  std::optional<ListedTag> found;
  for (const PrefetchImage& image : list.images) {
    if (image.origin->name != tag.upstream || image.repository != tag.repository) continue;
    const bool listed =
        std::any_of(image.tags.begin(), image.tags.end(),
                    [&](const policy::TagPattern& pattern) { return pattern.matches(tag.tag); });
    if (!listed) continue;
    if (!found) found.emplace();
    found->pin |= image.pin;
    found->choice.attestations |= image.choice.attestations;
    for (const oci::Platform& platform : image.choice.platforms) {
      auto& all = found->choice.platforms;
      if (std::find(all.begin(), all.end(), platform) == all.end()) all.push_back(platform);
    }
  }
  return found;
}

PrefetchRun::PrefetchRun(const Context& context, const PrefetchList& list, Depth depth,
                         WallTime used_since, std::function<void()> on_over)
    : context_(context),
      list_(list),
      depth_(depth),
      used_since_(used_since),
      on_over_(std::move(on_over)) {}

PrefetchRun::~PrefetchRun() {
  if (depth_ == Depth::kWhole) context_.fills.spare_for_background(nullptr);
}

void PrefetchRun::start() {
  assert(jobs_.empty() && listings_.empty() && !over_);
  const StoreUsage usage = context_.store.usage();
  const policy::SpaceUse use{usage.blob_bytes + usage.partial_bytes + usage.index_bytes, 0,
                             usage.disk_free_bytes, usage.disk_total_bytes};
  capacity_bytes_ = policy::capacity(context_.rules.space, use);
  for (const PrefetchImage& image : list_.images) {
    bool needs_list = false;
    for (const policy::TagPattern& pattern : image.tags) {
      if (const auto tag = pattern.exact()) {
        add_job(image, *tag);
      } else {
        needs_list = true;
      }
    }
    if (needs_list) listings_.push_back({&image, {}, 0, {}});
  }
  if (depth_ == Depth::kWhole) {
    context_.fills.spare_for_background([this] { return spare(); });
  }
  used_look_ = context_.store.find_used(
      used_since_, [this](Result<Store::UsedBlobs> used) { on_used(std::move(used)); });
}

void PrefetchRun::stop() {
  stopped_ = over_ = true;
  used_look_.reset();
  listing_.reset();
  flights_.clear();
  soon_.reset();
  wake_.reset();
  for (const JobPtr& job : jobs_) {
    job->request.reset();
    job->look.reset();
    if (!is_settled(*job)) job->seen.state = PrefetchState::kStopped;
  }
}

void PrefetchRun::soon() {
  if (over_ || soon_ || !used_) return;
  soon_ = context_.timers.after(milliseconds(0), [this] {
    soon_.reset();
    step();
  });
}

void PrefetchRun::wake_within(milliseconds duration) {
  wake_in_ = std::min(wake_in_.value_or(kLongestWait), std::max(duration, milliseconds(1)));
}

bool PrefetchRun::put_off(const Upstream& upstream, Ask ask) {
  Patience patience = upstream.patience(ask);
  if (patience.wait.count() == 0) return false;
  wake_within(patience.wait);
  waits_for_ = std::move(patience.reason);
  return true;
}

bool PrefetchRun::put_off(const Pause& pause) {
  const SteadyTime now = context_.clock.steady_now();
  if (pause.until <= now) return false;
  wake_within(std::chrono::ceil<milliseconds>(pause.until - now));
  waits_for_ = pause.reason;
  return true;
}

// A plan gives up instead of waiting for long, because a person waits for the plan.
std::optional<Error> PrefetchRun::gives_up(const Upstream& upstream, Ask ask) const {
  if (depth_ == Depth::kWhole) return std::nullopt;
  const Patience patience = upstream.patience(ask);
  if (!patience.is_down && patience.wait <= kLongestWait) return std::nullopt;
  return Error{ErrorCode::kUnavailable, patience.reason + ", and a plan does not wait"};
}

void PrefetchRun::step() {
  if (over_) return;
  waits_for_.clear();
  wake_in_.reset();
  wake_.reset();
  start_listing();
  set_pins();
  start_checks();
  start_manifests();
  start_blobs();
  const bool all_settled = std::all_of(jobs_.begin(), jobs_.end(),
                                       [this](const JobPtr& job) { return is_settled(*job); });
  if (listings_.empty() && all_settled) {
    over_ = true;
    const auto tell = std::move(on_over_);
    return tell();  // May destroy this run.
  }
  if (wake_in_) wake_ = context_.timers.after(*wake_in_, [this] { soon(); });
}

void PrefetchRun::add_job(const PrefetchImage& image, const std::string& tag) {
  const TagKey key{image.origin->name, image.repository, tag};
  if (!known_tags_.insert(key).second) return;
  auto job = std::make_unique<Job>();
  job->seen.tag = key;
  job->image = &image;
  const auto listed = find_listed(list_, key);
  assert(listed);  // A pattern of `image` matches the tag.
  job->listed = *listed;
  if (const auto known = context_.manifests.known(key)) job->seen.before = known->digest;
  // Jobs are in the order of the list, even if the tags of a pattern come late.
  const auto after = std::find_if(jobs_.begin(), jobs_.end(),
                                  [&](const JobPtr& other) { return other->image > &image; });
  jobs_.insert(after, std::move(job));
}

void PrefetchRun::set_pins() {
  if (pins_set_ || !listings_.empty() || depth_ != Depth::kWhole) return;
  pins_set_ = true;
  std::vector<TagKey> pins;
  for (const JobPtr& job : jobs_) {
    if (job->listed.pin) pins.push_back(job->seen.tag);
  }
  context_.store.set_list_pins(std::move(pins), [](const Status& status) {
    if (!status.ok())
      log::error("prefetch: the list's pins were not stored: {}", status.error().message);
  });
}

void PrefetchRun::start_checks() {
  auto checking = std::count_if(jobs_.begin(), jobs_.end(), [](const JobPtr& job) {
    return job->seen.state == PrefetchState::kChecking;
  });
  for (const JobPtr& job : jobs_) {
    if (checking >= kChecksAtATime) return;
    if (job->seen.state != PrefetchState::kWaiting || put_off(job->pause)) continue;
    if (const auto error = gives_up(job->upstream(), Ask::kTagCheck)) {
      fail(*job, *error);
      continue;
    }
    if (put_off(job->upstream(), Ask::kTagCheck)) continue;
    assert(!job->request);
    job->seen.state = PrefetchState::kChecking;
    ++checking;
    count(context_.counters.tag_revalidations);
    job->request = with_retries<ManifestHead>(
        context_.rules.retry, context_.timers, context_.counters,
        [this, job = job.get()](auto done) {
          const TagKey& tag = job->seen.tag;
          return job->image->origin->upstream->head_manifest(
              tag.repository, tag.tag, context_.rules.request_timeout, std::move(done));
        },
        [this, job = job.get()](const Result<ManifestHead>& head) { on_checked(*job, head); });
  }
}

void PrefetchRun::on_checked(Job& job, const Result<ManifestHead>& head) {
  assert(job.seen.state == PrefetchState::kChecking && job.request);
  const Handle over = std::move(job.request);
  soon();
  job.looks_at_limit = false;
  if (!head.ok()) {
    job.seen.state = PrefetchState::kWaiting;
    return fail_or_retry(job, head.error());
  }
  if (!head->digest) {
    return fail(job, {ErrorCode::kInvalid, "upstream's answer to HEAD names no digest"});
  }
  job.looked_at = context_.clock.wall_now() - head->age.age;
  const auto last = job.seen.now;
  job.seen.now = *head->digest;
  // A parent's answer may be older than the registry's last answer to this box.
  const auto known = context_.manifests.known(job.seen.tag);
  if (known && !context_.manifests.is_news(job.seen.tag, job.looked_at)) {
    job.looked_at = known->checked_at;
    job.seen.now = known->digest;
  }
  if (job.seen.now != last) {
    job.listed.choice.without.clear();
    job.losses.clear();
  }
  job.may_be_index = head->media_type.empty() || oci::is_index(head->media_type);
  job.failures = 0;
  look_at(job);
}

void PrefetchRun::look_at(Job& job) {
  assert(job.seen.now && !job.request);
  ask_parts(job, *job.seen.now, &PrefetchRun::on_looked);
}

void PrefetchRun::ask_parts(Job& job, const oci::Digest& root, OnParts then) {
  assert(!job.look && !over_);
  auto answer = [this, &job, then](const Result<ImageParts>& parts) {
    const Handle over = std::move(job.look);
    soon();
    if (parts) return (this->*then)(job, *parts);
    // If these parts can't be read, only an estimate is missing.
    if (then == &PrefetchRun::on_before) return;
    fail(job, parts.error());
  };
  job.look = context_.store.find_parts(root, job.listed.choice, std::move(answer));
}

void PrefetchRun::on_looked(Job& job, const ImageParts& parts) {
  job.missing_manifests = parts.missing_manifests;
  job.children = parts.children;
  job.seen.substitutes = parts.substitutes;
  job.seen.pulls = parts.missing_manifests.size();
  if (parts.manifests_known()) return plan_blobs(job, parts);
  job.seen.state = PrefetchState::kManifests;
  if (parts.missing_manifests.front() != *job.seen.now) return;
  // Each further manifest that an index names costs a pull.
  const std::size_t each = job.listed.choice.attestations ? 2 : 1;
  if (job.may_be_index) job.seen.pulls += job.listed.choice.platforms.size() * each;
  if (job.seen.before) ask_parts(job, *job.seen.before, &PrefetchRun::on_before);
}

void PrefetchRun::on_before(Job& job, const ImageParts& parts) {
  job.seen.before_bytes = parts.bytes();
}

void PrefetchRun::start_manifests() {
  if (depth_ == Depth::kPlan) return;
  int fetching = static_cast<int>(std::count_if(jobs_.begin(), jobs_.end(), [](const JobPtr& job) {
    return job->seen.state == PrefetchState::kManifests && job->request;
  }));
  std::set<const Upstream*> waiting;
  for (const JobPtr& job : jobs_) {
    if (fetching >= kManifestsAtATime) return;
    if (waiting.contains(&job->upstream())) continue;
    // While the store looks up this job's parts, the job's next pull isn't known yet. Later jobs
    // must not pull before this job.
    const bool is_being_planned = job->look && job->seen.state != PrefetchState::kFetching;
    if (job->looks_at_limit || is_being_planned) waiting.insert(&job->upstream());
    if (job->seen.state != PrefetchState::kManifests || job->request || job->look) continue;
    if (is_had_or_coming(*job) || put_off(job->pause)) continue;
    if (const auto error = gives_up(job->upstream(), Ask::kManifest)) {
      fail(*job, *error);
      continue;
    }
    if (put_off(job->upstream(), Ask::kManifest)) {
      waiting.insert(&job->upstream());
      if (is_outdated(job->upstream())) check_anew(*job);
      continue;
    }
    ++fetching;
    ++pulls_spent_;
    const oci::Digest& digest = job->missing_manifests.front();
    job->request = context_.manifests.fetch(*job->image->origin, job->seen.tag.repository, digest)
                       ->wait_stored([this, job = job.get()](const Status& stored) {
                         on_manifest(*job, stored);
                       });
  }
}

// Another job or a client may have fetched the job's next manifest, or another job may be fetching
// the manifest now. The job then fetches nothing, so that no manifest costs two pulls.
bool PrefetchRun::is_had_or_coming(Job& job) {
  assert(job.seen.state == PrefetchState::kManifests && !job.missing_manifests.empty());
  const oci::Digest& digest = job.missing_manifests.front();
  if (context_.store.find_manifest(digest)) {
    look_at(job);
    soon();
    return true;
  }
  return std::any_of(jobs_.begin(), jobs_.end(), [&](const JobPtr& other) {
    return other->seen.state == PrefetchState::kManifests && other->request &&
           other->missing_manifests.front() == digest;
  });
}

// Whether the known state of the pull limit is too old to decide how long to wait: pulls may come
// back sooner. When checks must wait too, the cause isn't the pull limit.
bool PrefetchRun::is_outdated(const Upstream& upstream) const {
  if (upstream.patience(Ask::kTagCheck).wait.count() > 0) return false;
  if (upstream.patience(Ask::kManifest).wait > kOutdated) return true;
  const auto quota = upstream.quota();
  return quota && context_.clock.wall_now() - quota->seen_at > kOutdated;
}

// The job begins again with a check, because the check's answer states the pull limit. The other
// jobs of this upstream wait for the check. So while pulls are few, one image becomes whole
// before the next image begins.
void PrefetchRun::check_anew(Job& job) {
  const Patience patience = job.upstream().patience(Ask::kManifest);
  job.looks_at_limit = true;
  job.seen.state = PrefetchState::kWaiting;
  job.pause = {context_.clock.steady_now() + std::min<milliseconds>(patience.wait, kNextLook),
               patience.reason};
}

void PrefetchRun::on_manifest(Job& job, const Status& stored) {
  assert(job.seen.state == PrefetchState::kManifests && job.request);
  const Handle over = std::move(job.request);
  soon();
  if (!stored.ok()) {
    if (!go_without(job, job.missing_manifests.front(), stored.error())) {
      fail_or_retry(job, stored.error());
    }
    return;
  }
  job.failures = 0;
  look_at(job);
}

void PrefetchRun::settle(Job& job, PrefetchState state) {
  assert(state == PrefetchState::kDone || state == PrefetchState::kCurrent);
  assert(job.seen.now && !job.request);
  job.seen.state = job.seen.error.empty() ? state : PrefetchState::kFailed;
  if (depth_ != Depth::kWhole) return;
  context_.manifests.confirm(job.seen.tag, *job.seen.now, job.looked_at);
  if (state == PrefetchState::kDone) {
    context_.events.tell(events::PrefetchedImage{subject_of(job.seen.tag), job.seen.bytes_total});
  }
  if (!job.losses.empty()) {
    context_.events.tell(
        events::PrefetchFailed{subject_of(job.seen.tag), {ErrorCode::kNotFound, job.seen.error}});
  }
}

void PrefetchRun::fail(Job& job, const Error& error) {
  job.look.reset();
  job.seen.state = PrefetchState::kFailed;
  job.seen.error = error.message;
  if (depth_ == Depth::kWhole) {
    context_.events.tell(events::PrefetchFailed{subject_of(job.seen.tag), error});
  }
}

bool PrefetchRun::go_without(Job& job, const oci::Digest& part, const Error& error) {
  if (error.code != ErrorCode::kNotFound) return false;
  bool is_lost = false;
  bool is_any_left = false;
  for (const ImageChild& child : job.children) {
    if (child.needs(part)) {
      is_lost = true;
      job.listed.choice.without.push_back(child.digest);
      job.losses += (job.losses.empty() ? "" : "; ") + child.name + ": " + error.message;
    } else if (!child.attests) {
      is_any_left = true;
    }
  }
  if (!is_lost) return false;
  if (is_any_left) {
    job.look.reset();
    look_at(job);
  } else {
    fail(job, {ErrorCode::kNotFound, job.losses});
  }
  return true;
}

// A person waits for a plan, so a plan repeats only a throttled request. A 429 doesn't count as a
// failure of the tag. put_off() makes the job wait as long as upstream asks.
void PrefetchRun::fail_or_retry(Job& job, const Error& error) {
  const bool throttled = error.code == ErrorCode::kThrottled;
  const bool planned = depth_ != Depth::kWhole && !throttled;
  const bool hopeless = planned || is_refusal(error) || error.code == ErrorCode::kNoSpace ||
                        error.code == ErrorCode::kInvalid || error.code == ErrorCode::kIo;
  if (hopeless || (!throttled && ++job.failures >= kMostFailures)) return fail(job, error);
  assert(job.failures < kMostFailures);
  job.pause = {context_.clock.steady_now() + kFirstRetry * (1 << job.failures), error.message};
}

}  // namespace layby::cache
