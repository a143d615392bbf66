// SPDX-License-Identifier: Apache-2.0
//
// Invariant: schedule_ is set exactly while the list in force has images. A run is under way only
// while schedule_ is set.

#include "app/prefetching.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <iterator>
#include <set>
#include <utility>

#include "layby/base/log.h"
#include "layby/oci/reference.h"

namespace layby::app {
namespace {

// The schedule is checked at this interval, because somebody may set the wall clock.
constexpr std::chrono::seconds kScheduleLook{20};
constexpr std::size_t kMostLogged = 20;

std::set<std::string> entries(const PrefetchListConfig& list) {
  std::set<std::string> texts;
  for (const PrefetchImageConfig& image : list.images) {
    std::string suffix;
    for (const std::string& platform : image.platforms) suffix += " " + platform;
    if (image.attestations) suffix += " attestations";
    if (image.pin) suffix += " pinned";
    for (const std::string& tag : image.tags) {
      texts.insert(fmt::format("{}:{}{}", image.image, tag, suffix));
    }
  }
  return texts;
}

void log_difference(const char* what, const std::set<std::string>& of,
                    const std::set<std::string>& without) {
  std::vector<std::string> more;
  std::set_difference(of.begin(), of.end(), without.begin(), without.end(),
                      std::back_inserter(more));
  for (std::size_t i = 0; i < std::min(more.size(), kMostLogged); ++i) {
    log::info("prefetch list: {} {}", what, more[i]);
  }
  if (more.size() > kMostLogged) {
    log::info("prefetch list: {} {} others", what, more.size() - kMostLogged);
  }
}

cache::PrefetchImage to_image(const PrefetchImageConfig& from, const cache::Cache& cache) {
  cache::PrefetchImage image;
  const auto name = oci::parse_image_name(from.image);
  assert(name);  // A list without faults has only valid names, tags and platforms.
  image.origin = cache.find_origin(name->registry);
  assert(image.origin != nullptr);  // unserved() has checked the upstream.
  image.repository = name->repository;
  for (const std::string& tag : from.tags) image.tags.push_back(*policy::TagPattern::parse(tag));
  for (const std::string& platform : from.platforms) {
    image.choice.platforms.push_back(*oci::parse_platform(platform));
  }
  image.choice.attestations = from.attestations;
  image.pin = from.pin;
  return image;
}

}  // namespace

Prefetching::Prefetching(const Context& context)
    : context_(context), prefetcher_(context.cache.prefetcher()) {
  prefetcher_.on_ended([this] { on_ended(); });
  prefetcher_.on_moved([this] {
    if (!schedule_ || prefetcher_.running()) return;
    schedule_->want_soon();
    keep_schedule_soon();
  });
  watch();
}

Prefetching::~Prefetching() {
  prefetcher_.on_ended(nullptr);
  prefetcher_.on_moved(nullptr);
}

void Prefetching::watch() {
  path_ = context_.config.prefetch;
  file_.reset();
  if (path_.empty()) return;
  file_.emplace(
      context_.loop, context_.workers, std::vector{path_},
      WatchedFiles<PrefetchListOutcome>::Calls{
          .reader = [this] { return [path = path_] { return load_prefetch_list(path); }; },
          .on_read = [this](PrefetchListOutcome read) { on_read(std::move(read)); }});
  file_->look();
}

void Prefetching::reload() {
  if (file_) file_->reload();
}

void Prefetching::reconfigure() {
  if (path_ == context_.config.prefetch) return reload();
  watch();
  if (!file_) on_read({});
}

void Prefetching::on_read(PrefetchListOutcome read) {
  faults_ = std::move(read.faults);
  if (faults_.empty()) faults_ = unserved(read.list, context_.config);
  for (const ConfigFault& fault : faults_) {
    log::error("{}: {}", context_.config.prefetch, to_string(fault));
  }
  if (faults_.empty()) {
    take_list(read.list);
  } else {
    log::error("{}: the last good list stays in force", context_.config.prefetch);
  }
}

void Prefetching::take_list(const PrefetchListConfig& list) {
  assert(faults_.empty());
  const auto before = entries(list_);
  const auto after = entries(list);
  log_difference("added:", after, before);
  log_difference("removed:", before, after);
  if (prefetcher_.running()) result_ = "stopped";
  list_ = list;
  cache::PrefetchList taken;
  taken.max_rate = list.max_rate;
  taken.concurrency = list.concurrency;
  taken.hold = list.hold;
  for (const PrefetchImageConfig& image : list.images) {
    taken.images.push_back(to_image(image, context_.cache));
  }
  prefetcher_.set_list(std::move(taken));
  assert(!prefetcher_.running());
  schedule_.reset();
  if (!list.images.empty()) {
    const auto window = policy::DayWindow::parse(list.window);
    schedule_.emplace(list.every, window.ok() ? std::optional(*window) : std::nullopt,
                      policy::splay_of(list.splay, context_.seed));
  }
  keep_schedule();
}

std::chrono::seconds Prefetching::time_of_day() const {
  return local_time_of_day(context_.clock.wall_now());
}

void Prefetching::keep_schedule_soon() {
  schedule_timer_ = context_.loop.after(std::chrono::milliseconds(0), [this] { keep_schedule(); });
}

void Prefetching::keep_schedule() {
  schedule_timer_.reset();
  if (!schedule_) return;
  const SteadyTime now = context_.clock.steady_now();
  if (prefetcher_.running() && !asked_for_ && !schedule_->may_run(time_of_day())) {
    log::info("prefetch: the window is over; the rest follows in the next window");
    stop();
    schedule_->want_soon();
  }
  std::chrono::milliseconds look = kScheduleLook;
  if (!prefetcher_.running()) {
    const auto wait = schedule_->wait(now, time_of_day());
    if (wait.count() == 0) {
      asked_for_ = false;
      result_.clear();
      schedule_->on_started(now);
      prefetcher_.start();
    } else {
      look = std::min(look, wait);
    }
  }
  schedule_timer_ = context_.loop.after(look, [this] { keep_schedule(); });
}

void Prefetching::on_ended() {
  assert(!prefetcher_.running() && schedule_);
  const cache::PrefetchReport report = prefetcher_.report();
  result_ = report.failed() ? "failed" : "done";
  context_.events.tell(events::PrefetchEnded{prefetcher_.run(), report.tags.size(),
                                             report.bytes_done, report.pulls_spent,
                                             report.failed()});
  schedule_->on_ended(context_.clock.steady_now(), report.failed());
  keep_schedule_soon();
}

std::optional<Error> Prefetching::why_not() const {
  const std::string& path = context_.config.prefetch;
  if (!faults_.empty()) {
    return Error{ErrorCode::kDenied, path + " has faults; see `layby config check`"};
  }
  if (schedule_) return std::nullopt;
  return Error{ErrorCode::kDenied, path.empty()
                                       ? "the configuration names no prefetch list"
                                       : "the prefetch list has no images; add some to " + path};
}

Result<std::uint64_t> Prefetching::start() {
  if (auto error = why_not()) return *error;
  assert(schedule_);
  asked_for_ = true;
  if (prefetcher_.running()) return prefetcher_.run();
  result_.clear();
  schedule_->on_started(context_.clock.steady_now());
  return prefetcher_.start();
}

void Prefetching::stop() {
  if (!prefetcher_.running()) return;
  prefetcher_.stop();
  result_ = "stopped";
}

Handle Prefetching::plan(bool sizes, std::function<void(Result<std::string>)> done) {
  if (auto error = why_not()) {
    done(*error);
    return nullptr;
  }
  return prefetcher_.plan(sizes, [this, done = std::move(done)](const cache::PrefetchReport& plan) {
    std::vector<admin::PlannedQuota> quotas;
    for (const cache::Origin* origin : context_.cache.origins()) {
      quotas.push_back({origin->name, origin->upstream->quota(), context_.config.quota_reserve});
    }
    done(admin::plan_json(plan, quotas));
  });
}

admin::PrefetchStatus Prefetching::status() const {
  admin::PrefetchStatus status;
  status.list = context_.config.prefetch;
  status.run = prefetcher_.run();
  status.result = result_;
  for (const ConfigFault& fault : faults_) {
    status.faults.push_back({fault.line, fault.path, fault.message});
  }
  status.report = prefetcher_.report();
  if (!schedule_) {
    assert(!prefetcher_.running() && why_not());
    status.reason = why_not()->message;
    return status;
  }
  if (prefetcher_.running()) {
    status.state = status.report.waits_for.empty() ? "running" : "waiting";
    status.reason = status.report.waits_for;
    return status;
  }
  status.state = "idle";
  const auto wait = schedule_->wait(context_.clock.steady_now(), time_of_day());
  status.next_run = std::chrono::ceil<std::chrono::seconds>(wait);
  if (!schedule_->may_run(time_of_day())) status.reason = "the window is " + list_.window;
  return status;
}

}  // namespace layby::app
