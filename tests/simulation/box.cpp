// SPDX-License-Identifier: Apache-2.0

#include "simulation/box.h"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <utility>

#include "layby/cache/failover.h"
#include "layby/cache/prefetch.h"
#include "simulation/addresses.h"
#include "simulation/parent_link.h"

namespace layby::simulation {
namespace {

constexpr std::chrono::hours kPrefetchEvery{6};
constexpr std::uint64_t kDiskBytes = 1ull << 40;

// The limits in bytes are a thousandth of real limits, as the blobs are.
cache::Rules rules_of(const BoxRules& box) {
  cache::Rules rules;
  rules.fresh_for = kFreshFor;
  rules.max_queued_bytes = 1'000;
  rules.max_unkept_bytes = 4'000;
  rules.split = {250, 32'000};
  rules.small_range_bytes = 4'000;
  rules.space.max_bytes = {0, box.max_bytes};
  rules.space.min_free_bytes = {0, 1'000'000};
  return rules;
}

}  // namespace

class Box::Crash final : public Operation {
 public:
  Crash(Box& box, std::uint64_t ear) : box_(box), ear_(ear) {}
  ~Crash() override { box_.on_crash_.erase(ear_); }

 private:
  Box& box_;
  const std::uint64_t ear_;
};

Box::Box(const Internet& internet, BoxRules rules, Box* parent)
    : internet_(internet),
      rules_(std::move(rules)),
      parent_(parent),
      clock_(internet.world),
      timers_(internet.world),
      link_(internet.world, rules_.link_bytes_per_second),
      store_(timers_),
      listed_(rules_.listed) {
  store_.live_like_a_disk();
  start();
}

Box::~Box() {
  prefetching_.reset();
  cache_.reset();
  listening_.reset();
}

std::vector<cache::Origin> Box::make_origins() {
  const auto guarded = [&](std::string name, int per_minute,
                           std::unique_ptr<cache::Upstream> upstream) {
    cache::GuardRules rules;
    rules.requests_per_minute = per_minute;
    rules.max_blob_transfers = kTransfers;
    rules.probe_first = per_minute == 0;
    auto guard = std::make_unique<cache::Guard>(std::move(name), rules, std::move(upstream),
                                                timers_, clock_, *events_);
    guards_.push_back(guard.get());
    return guard;
  };
  auto uplink = std::make_unique<Uplink>(
      internet_, Uplink::Place{rules_.number, timers_, link_, pulls_, rules_.requests_per_minute,
                               [this](const oci::Digest& digest) { return fills_of(digest); },
                               [this](const std::string& what) { return wants_of(what); }});
  uplink_ = uplink.get();
  std::unique_ptr<cache::Upstream> upstream =
      guarded("docker.io", rules_.requests_per_minute, std::move(uplink));
  if (parent_ != nullptr) {
    upstream = std::make_unique<cache::Failover>(
        guarded(
            "parent", 0,
            std::make_unique<ParentLink>(*parent_, box_address(rules_.number), timers_, clock_)),
        std::move(upstream), clock_, [](const std::string&, const oci::Tag&) { return kFreshFor; });
  }
  std::vector<cache::Origin> origins;
  origins.push_back({"docker.io", {"*"}, std::move(upstream)});
  return origins;
}

void Box::start() {
  assert(!up());
  counters_ = std::make_unique<Counters>();
  events_ = std::make_unique<events::Events>();
  listening_ = events_->listen([this](const events::Event& event) {
    const auto* blob = std::get_if<events::FillUnkept>(&event);
    if (blob == nullptr) return;
    internet_.invariants.unkept(number(), *oci::Digest::parse(blob->blob.reference));
  });
  guards_.clear();
  cache_ = std::make_unique<cache::Cache>(rules_of(rules_), make_origins(), store_, timers_, clock_,
                                          *counters_, *events_);
  cache_->prefetcher().on_moved([this] { prefetch_again(milliseconds(0)); });
  set_list();
}

void Box::set_list() {
  cache::PrefetchList list;
  for (const ImageName& image : listed_) {
    cache::PrefetchImage listed;
    listed.origin = &origin();
    listed.repository = image.repository;
    listed.tags.push_back(*policy::TagPattern::parse(image.tag));
    listed.choice.platforms.push_back(*oci::parse_platform("linux/amd64"));
    list.images.push_back(std::move(listed));
  }
  cache_->prefetcher().set_list(std::move(list));
  prefetch_again(seconds(20));
}

void Box::prefetch_again(milliseconds wait) {
  if (listed_.empty()) return prefetching_.reset();
  prefetching_ = timers_.after(wait, [this] {
    const Handle over = std::move(prefetching_);
    if (!cache_->prefetcher().running()) cache_->prefetcher().start();
    prefetch_again(kPrefetchEvery);
  });
}

Handle Box::on_crash(std::function<void()> then) {
  on_crash_.emplace(ears_, std::move(then));
  return std::make_unique<Crash>(*this, ears_++);
}

void Box::crash(simulator::Random& random, milliseconds later) {
  if (!up()) return;
  internet_.world.note("crash");
  while (!on_crash_.empty()) {
    const auto ear = on_crash_.extract(on_crash_.begin());
    ear.mapped()();
  }
  prefetching_.reset();
  cache_.reset();
  uplink_ = nullptr;
  guards_.clear();
  listening_.reset();
  events_.reset();
  timers_.drop_deferred();
  store_.crash([&random](std::size_t bytes) { return random.between(0, bytes); });
  back_ = internet_.world.after(later, [this] { start(); });
}

void Box::fail_disk(simulator::Random& random, milliseconds time) {
  using Step = testing::FakeStore::Step;
  constexpr Step kSteps[] = {Step::kOpen,    Step::kWrite,       Step::kVerify,
                             Step::kPublish, Step::kPutManifest, Step::kPutTag};
  const Step step = kSteps[random.between(0, std::size(kSteps) - 1)];
  const Error error{ErrorCode::kIo, "a bad disk"};
  store_.fail(step, error, static_cast<int>(random.between(1, 3)));
  disk_sound_ = internet_.world.after(time, [this, step, error] { store_.fail(step, error, 0); });
}

void Box::fill_disk(milliseconds time) {
  store_.reported_usage().disk_free_bytes = 0;
  disk_back_ =
      internet_.world.after(time, [this] { store_.reported_usage().disk_free_bytes = kDiskBytes; });
}

void Box::reload(simulator::Random& random) {
  if (!up()) return;
  listed_.clear();
  for (const ImageName& name : internet_.content.names()) {
    if (random.happens(0.2)) listed_.push_back(name);
  }
  set_list();
}

std::size_t Box::fills_of(const oci::Digest& digest) const {
  if (!up()) return 1;
  const auto fills = cache_->fills();
  const std::string name = digest.str();
  return static_cast<std::size_t>(
      std::count_if(fills.begin(), fills.end(),
                    [&name](const cache::FillStatus& fill) { return fill.digest == name; }));
}

bool Box::holds_back(const oci::Digest& digest, std::size_t bytes) const {
  if (!up() || fills_of(digest) > 0) return false;
  const auto partial = store_.partial(digest);
  return partial && bytes - std::min(bytes, partial->size()) <= kSoonThere;
}

void Box::note_want(const std::string& what) {
  wants_[what].push_back(internet_.world.steady_now());
}

std::size_t Box::wants_of(const std::string& what) {
  auto& wants = wants_[what];
  while (!wants.empty() && wants.front() < internet_.world.steady_now() - 2 * kAttemptsWindow) {
    wants.pop_front();
  }
  return std::max<std::size_t>(wants.size() + listed_.size(), 1);
}

void Box::stop() {
  listed_.clear();
  prefetching_.reset();
  if (up()) cache_->prefetcher().stop();
}

void Box::check() {
  if (!up()) return;
  Invariants& invariants = internet_.invariants;
  const auto all_fills = cache_->fills();
  const std::size_t fills = all_fills.size();
  if (fills > kMostFills) {
    invariants.broke(number(), "queues are bounded", std::to_string(fills) + " fills");
  }
  const cache::StoreUsage usage = store_.usage();
  // The room for a blob of unknown size isn't known when the blob begins.
  const auto unknown = std::count_if(all_fills.begin(), all_fills.end(),
                                     [](const auto& fill) { return !fill.size_bytes; });
  const std::uint64_t above = (1 + static_cast<std::uint64_t>(unknown)) * kLargestBlob;
  if (usage.blob_bytes + usage.partial_bytes > rules_.max_bytes + above) {
    invariants.broke(number(), "the cap is kept",
                     std::to_string(usage.blob_bytes + usage.partial_bytes) + " of " +
                         std::to_string(rules_.max_bytes) + " bytes");
  }
  for (const cache::Guard* guard : guards_) {
    if (guard->status().throttled_for > kLongestQuiet) {
      invariants.broke(number(), "a quiet time is at most ten minutes",
                       std::to_string(guard->status().throttled_for.count()) + " s");
    }
  }
}

std::optional<std::string> Box::busy() const {
  if (!up()) return std::nullopt;
  if (const auto fills = cache_->fills(); !fills.empty()) {
    return "a fill in state " + std::string(fills.front().state) + " of " + fills.front().digest;
  }
  if (store_.open_writers() > 0) return "a writer";
  if (uplink_->open() > 0) return "a request to the registry";
  if (!on_crash_.empty()) return "a client's request";
  return std::nullopt;
}

}  // namespace layby::simulation
