// SPDX-License-Identifier: Apache-2.0

#include "simulation/site.h"

#include <algorithm>
#include <deque>
#include <map>
#include <memory>

#include "layby/base/random.h"
#include "simulation/addresses.h"
#include "simulation/client.h"
#include "simulation/hostile.h"

namespace layby::simulation {
namespace {

// The size of the site, drawn first.
struct Plan {
  std::size_t boxes = 1;
  bool has_parent = false;   // Box 0 is the parent of the others.
  std::size_t machines = 1;  // Of each box.
  milliseconds time{0};
  milliseconds between_pulls{0};
  milliseconds between_changes{0};
  double bytes_per_second = 0;
  std::uint64_t max_bytes = 0;
  int requests_per_minute = 0;
  bool lists = false;

  explicit Plan(simulator::Random& random) {
    boxes = random.between(1, 3);
    has_parent = boxes > 1 && random.happens(0.7);
    machines = random.between(1, 6);
    time = std::chrono::hours(random.between(2, 14));
    between_pulls = minutes(random.between(1, 30));
    between_changes = minutes(random.between(15, 300));
    bytes_per_second = 1e6 * random.log_normal(2, 0.7);
    max_bytes = random.happens(0.3) ? random.between(100'000, 400'000) : 10'000'000;
    requests_per_minute = random.happens(0.3) ? 120 : 300;
    lists = random.happens(0.5);
  }
};

// A machine pulls one image after the other.
struct Customer {
  site_day::Machine machine;
  std::unique_ptr<BoxSource> source;
  std::unique_ptr<site_day::Pull> pull;
  Handle next;
};

class Site {
 public:
  explicit Site(std::uint64_t seed)
      : random_(seed),
        plan_(random_),
        content_(random_),
        start_(world_.steady_now()),
        end_(start_ + plan_.time),
        adversary_(seed ^ 0x9e3779b97f4a7c15, plan_.boxes, start_ + minutes(10), end_),
        invariants_(world_, adversary_, content_, parents()),
        internet_{world_, content_, adversary_, invariants_} {
    for (std::size_t number = 0; number < plan_.boxes; ++number) add_box(number);
    for (std::size_t i = 0; i < plan_.machines * plan_.boxes; ++i) add_customer(i % plan_.boxes);
    plan_mishaps();
    plan_assaults();
    change_later();
  }
  ~Site() {
    customers_.clear();
    assaults_.clear();
    while (!boxes_.empty()) boxes_.pop_back();  // Children before their parent.
  }
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;

  Outcome run() {
    run_until(end_);
    come_to_rest();
    Outcome outcome;
    outcome.violation = invariants_.violation();
    outcome.trace = world_.trace();
    outcome.steps = world_.steps();
    outcome.simulated = world_.age();
    outcome.pulls = pulls_;
    outcome.pulled = pulled_;
    outcome.questions = invariants_.questions();
    outcome.good = invariants_.good();
    outcome.worst = invariants_.worst();
    outcome.poisoned = invariants_.poisoned();
    return outcome;
  }

  std::string describe() const;

 private:
  std::optional<std::size_t> parent_of(std::size_t box) const {
    return plan_.has_parent && box > 0 ? std::optional<std::size_t>(0) : std::nullopt;
  }
  std::vector<std::optional<std::size_t>> parents() const {
    std::vector<std::optional<std::size_t>> all;
    for (std::size_t box = 0; box < plan_.boxes; ++box) all.push_back(parent_of(box));
    return all;
  }

  void add_box(std::size_t number) {
    BoxRules rules;
    rules.number = number;
    rules.link_bytes_per_second = plan_.bytes_per_second;
    rules.requests_per_minute = plan_.requests_per_minute;
    rules.max_bytes = plan_.max_bytes;
    if (plan_.lists) {
      for (std::size_t i = 0; i < 4; ++i) rules.listed.push_back(content_.names()[i]);
    }
    const auto parent = parent_of(number);
    boxes_.push_back(std::make_unique<Box>(internet_, std::move(rules),
                                           parent ? boxes_[*parent].get() : nullptr));
  }

  void add_customer(std::size_t box) {
    customers_.push_back(std::make_unique<Customer>());
    Customer& customer = *customers_.back();
    // The machines and the lists of all boxes may share one link, and a hostile client too.
    const std::size_t addresses = plan_.machines * plan_.boxes + plan_.boxes + 1;
    customer.source = std::make_unique<BoxSource>(
        internet_, *boxes_[box], machine_address(box, customers_.size()), addresses,
        plan_.bytes_per_second / site_day::kBytesPerByte);
    pull_later(customer);
  }

  void pull_later(Customer& customer) {
    const auto median = static_cast<double>(plan_.between_pulls.count());
    const milliseconds wait(static_cast<std::int64_t>(random_.log_normal(median, 1)));
    customer.next = world_.after(wait, [this, &customer] {
      const Handle over = std::move(customer.next);
      pull(customer);
    });
  }

  void pull(Customer& customer) {
    if (world_.steady_now() >= end_) return;
    const ImageName name = content_.names()[random_.between(0, content_.names().size() - 1)];
    // Most machines keep their images; a build machine begins without images.
    if (random_.happens(0.3)) customer.machine = {};
    ++pulls_;
    customer.pull = std::make_unique<site_day::Pull>(
        *customer.source, customer.machine, name,
        site_day::Pull::Events{
            [](const oci::Digest&) {},
            [this, &customer, name](const Status& status) { on_pulled(customer, name, status); }});
  }

  void on_pulled(Customer& customer, const ImageName& name, const Status& status) {
    pulled_ += status.ok() ? 1 : 0;
    world_.note(name.repository + ":" + name.tag + " " +
                (status.ok() ? "ok" : status.error().message));
    pull_later(customer);
    // The pull can't be destroyed inside its own callback.
    over_.push_back(std::move(customer.pull));
    world_.defer([this] { over_.pop_front(); });
  }

  void change_later() {
    const auto median = static_cast<double>(plan_.between_changes.count());
    const milliseconds wait(static_cast<std::int64_t>(random_.log_normal(median, 1)));
    change_ = world_.after(wait, [this] {
      const Handle over = std::move(change_);
      content_.change(random_.between(0, content_.names().size() - 1), world_.steady_now());
      change_later();
    });
  }

  void plan_mishaps() {
    for (const Event& event : adversary_.mishaps()) {
      const auto wait = std::chrono::duration_cast<milliseconds>(event.at - start_);
      mishaps_.push_back(world_.after(wait, [this, event] { happen(event); }));
    }
  }
  void happen(const Event& event) {
    Box& box = *boxes_[event.box];
    switch (event.what) {
      case Mishap::kCrash:
        return box.crash(random_, event.by);
      case Mishap::kClockJump:
        return box.clock().jump(event.by);
      case Mishap::kDiskError:
        return box.fail_disk(random_, event.by);
      case Mishap::kFullDisk:
        return box.fill_disk(event.by);
      case Mishap::kReload:
        return box.reload(random_);
    }
  }

  void plan_assaults() {
    for (const Assault& assault : adversary_.assaults()) {
      const auto at = [&](SteadyTime time) {
        return std::chrono::duration_cast<milliseconds>(time - start_);
      };
      const std::size_t number = assaults_.size();
      assaults_.emplace_back();
      mishaps_.push_back(world_.after(at(assault.from), [this, assault, number] {
        assaults_[number] =
            std::make_unique<Hostile>(internet_, *boxes_[assault.box], assault.what, random_);
      }));
      mishaps_.push_back(
          world_.after(at(assault.to), [this, number] { assaults_[number].reset(); }));
    }
  }

  void run_until(SteadyTime end) {
    SteadyTime look = world_.steady_now();
    while (!invariants_.violation() && world_.step(end)) {
      invariants_.check();
      if (world_.steady_now() < look) continue;
      look = world_.steady_now() + seconds(10);
      for (const auto& box : boxes_) box->check();
    }
    if (!invariants_.violation()) world_.rest_until(end);
  }

  // The adversary rests. Pulls under way end, and then nothing is left.
  void come_to_rest() {
    change_.reset();
    for (const auto& customer : customers_) customer->next.reset();
    run_until(end_ + kBlobOver);
    if (invariants_.violation()) return;
    for (const auto& box : boxes_) box->stop();
    run_until(end_ + kBlobOver + kBlobOver);
    for (const auto& box : boxes_) {
      if (const auto left = box->busy()) invariants_.broke(box->number(), "nothing leaks", *left);
    }
    for (const auto& customer : customers_) {
      if (customer->pull) invariants_.broke(0, "nothing leaks", "a pull");
    }
  }

  simulator::Random random_;
  World world_;
  const Plan plan_;
  Content content_;
  const SteadyTime start_;
  const SteadyTime end_;
  Adversary adversary_;
  Invariants invariants_;
  const Internet internet_;
  std::vector<std::unique_ptr<Box>> boxes_;
  std::vector<std::unique_ptr<Customer>> customers_;
  std::vector<std::unique_ptr<Hostile>> assaults_;
  std::vector<Handle> mishaps_;
  std::deque<std::unique_ptr<site_day::Pull>> over_;
  Handle change_;
  std::uint64_t pulls_ = 0;
  std::uint64_t pulled_ = 0;
};

std::string clock_text(SteadyTime start, SteadyTime time) {
  const auto passed = std::chrono::duration_cast<seconds>(time - start).count();
  return std::to_string(passed) + " s";
}

std::string Site::describe() const {
  std::string text = std::to_string(plan_.boxes) + " boxes" +
                     (plan_.has_parent ? ", box 0 is the parent" : "") + "; " +
                     std::to_string(plan_.machines) + " machines at each; link " +
                     std::to_string(plan_.bytes_per_second / 1e6) + " MB/s; cache " +
                     std::to_string(plan_.max_bytes) + " bytes\n";
  for (const Spell& spell : adversary_.spells()) {
    text += "box " + std::to_string(spell.box) + ", " + clock_text(start_, spell.from) + " to " +
            clock_text(start_, spell.to) + ": " + to_string(spell.what) + "\n";
  }
  for (const Assault& assault : adversary_.assaults()) {
    text += "box " + std::to_string(assault.box) + ", " + clock_text(start_, assault.from) +
            " to " + clock_text(start_, assault.to) + ": hostile, " + to_string(assault.what) +
            "\n";
  }
  for (const Event& event : adversary_.mishaps()) {
    text += "box " + std::to_string(event.box) + ", " + clock_text(start_, event.at) + ": " +
            to_string(event.what) + " " + std::to_string(event.by.count()) + " ms\n";
  }
  return text;
}

}  // namespace

Outcome run_site(std::uint64_t seed) {
  seed_random(static_cast<std::uint32_t>(seed));
  Outcome outcome = Site(seed).run();
  outcome.seed = seed;
  return outcome;
}

std::string describe_site(std::uint64_t seed) { return Site(seed).describe(); }

}  // namespace layby::simulation
