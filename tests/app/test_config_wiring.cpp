// SPDX-License-Identifier: Apache-2.0
//
// Each key of the configuration reaches a part of the daemon: a changed value changes one of
// the structures that the daemon hands to its parts. changed_keys() names each changed key.

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "app/config_change.h"
#include "app/config_keys.h"
#include "app/rate_windows.h"
#include "app/upstreams.h"
#include "support/fake_clock.h"
#include "support/fake_timers.h"
#include "support/temp_dir.h"

namespace layby::app {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

// The structures that daemon.cpp hands to its parts as a whole.
struct HandedOut {
  store::Options store;
  cache::Rules rules;
  server::Limits limits;
  std::vector<UpstreamPlan> upstreams;
  std::array<std::uint64_t, 24> rate_at_hour{};
  bool operator==(const HandedOut&) const = default;
};

// Keys that daemon.cpp and `layby serve` read by name, outside of the structures.
const std::set<std::string_view> kUsedByName{
    "listen",   "socket",     "shutdown_grace",       "drain_for",    "hosts",    "helper_threads",
    "prefetch", "tls.listen", "tls.certificate_file", "tls.key_file", "log.level"};

// Replaces a value of the configuration by another valid value.
struct Change {
  const Key& key;
  Slot slot;
  const std::string& other_file;

  void operator()(Place<std::string> place) const {
    switch (key.kind) {
      case Kind::kUrl:
      case Kind::kOptionalUrl:
        place(slot) = "http://other.example";
        break;
      case Kind::kReadableFile:
        place(slot) = other_file;
        break;
      case Kind::kWindow:
        place(slot) = "13:00-14:00";
        break;
      default:
        place(slot) += "x";
    }
  }
  void operator()(Place<bool> place) const { place(slot) = !place(slot); }
  void operator()(Place<int> place) const { ++place(slot); }
  void operator()(Place<std::uint64_t> place) const { ++place(slot); }
  void operator()(Place<policy::SpaceLimit> place) const { place(slot) = {7, 0}; }
  void operator()(Place<policy::QuotaReserve> place) const { place(slot) = {7, 0}; }
  void operator()(Place<milliseconds> place) const { place(slot) += milliseconds(1); }
  void operator()(Place<std::vector<std::string>> place) const { place(slot).emplace_back("x"); }
  void operator()(const Objects& objects) const { objects.make(slot, objects.count(slot) + 1); }
};

class ConfigWiringTest : public ::testing::Test {
 protected:
  void SetUp() override {
    UpstreamConfig& upstream = config_.upstreams.front();
    upstream.username = "me";
    upstream.password_file = write("password", "one");
    upstream.parent = "http://parent.example";
    config_.rules.tag_rules.push_back({{"python:*"}, milliseconds(1)});
    config_.upstream.windows.push_back({"01:00-05:00", 1'000'000});
    other_file_ = write("other", "two");
  }

  std::string write(const std::string& name, const std::string& text) const {
    const std::string path = folder_.path() + "/" + name;
    std::ofstream(path) << text;
    return path;
  }

  HandedOut handed_out(const Config& config) {
    HandedOut out{config.store, config.rules, config.limits, {}, {}};
    auto plans = plan_upstreams(config);
    EXPECT_TRUE(plans.ok());
    if (plans.ok()) out.upstreams = std::move(*plans);
    const RateWindows rates(config, timers_, clock_, [](std::uint64_t) {});
    for (std::size_t hour = 0; hour < out.rate_at_hour.size(); ++hour) {
      out.rate_at_hour[hour] = rates.rate_at(hours(hour));
    }
    return out;
  }

  testing::TempDir folder_;
  testing::FakeClock clock_;
  testing::FakeTimers timers_{clock_};
  Config config_;
  PrefetchListConfig list_;
  std::string other_file_;
};

TEST_F(ConfigWiringTest, EachKeyReachesAPartOfTheDaemon) {
  const HandedOut before = handed_out(config_);
  for (const Key& key : config_keys()) {
    if (kUsedByName.contains(key.path)) continue;
    Config changed = config_;
    std::visit(Change{key, {changed, list_}, other_file_}, key.field);
    EXPECT_FALSE(handed_out(changed) == before) << key.path << " is wired nowhere";
  }
}

TEST_F(ConfigWiringTest, EachChangeIsFound) {
  EXPECT_TRUE(changed_keys(config_, config_).empty());
  for (const Key& key : config_keys()) {
    Config changed = config_;
    std::visit(Change{key, {changed, list_}, other_file_}, key.field);
    const std::string top(key.path.substr(0, key.path.find("[].")));
    EXPECT_EQ(changed_keys(config_, changed), std::vector{top}) << key.path;
  }
}

TEST_F(ConfigWiringTest, KeysThatNeedARestartKeepTheirValue) {
  Config changed = config_;
  changed.store.data_dir = "/elsewhere";
  changed.helper_threads = 7;
  changed.shutdown_grace = milliseconds(7);
  const std::vector<ConfigFault> faults = keep_until_restart(config_, changed);
  ASSERT_EQ(faults.size(), 2u);
  EXPECT_EQ(faults[0].path, "data_dir");
  EXPECT_EQ(faults[1].path, "helper_threads");
  EXPECT_EQ(changed_keys(config_, changed), std::vector<std::string>{"shutdown_grace"});
}

TEST_F(ConfigWiringTest, OnlyThePartsOfTheStartNeedARestart) {
  std::set<std::string_view> paths;
  for (const Key& key : config_keys()) {
    if (key.needs_restart) paths.insert(key.path);
  }
  EXPECT_EQ(paths, (std::set<std::string_view>{"data_dir", "helper_threads", "scrub.every",
                                               "scrub.max_rate"}));
}

TEST_F(ConfigWiringTest, KeysUsedByNameExist) {
  std::set<std::string_view> paths;
  for (const Key& key : config_keys()) paths.insert(key.path);
  for (const std::string_view path : kUsedByName) EXPECT_TRUE(paths.contains(path)) << path;
}

TEST_F(ConfigWiringTest, OneRequestTimeoutHoldsForCacheGuardAndRegistry) {
  config_.rules.request_timeout = milliseconds(1'234);
  const HandedOut out = handed_out(config_);
  EXPECT_EQ(out.upstreams[0].guard.request_timeout, milliseconds(1'234));
  EXPECT_EQ(out.upstreams[0].registry.request_timeout, milliseconds(1'234));
  EXPECT_EQ(out.upstreams[0].parent->request_timeout, milliseconds(1'234));
}

TEST_F(ConfigWiringTest, AParentGetsNoCredentials) {
  const HandedOut out = handed_out(config_);
  EXPECT_EQ(out.upstreams[0].registry.password, "one");
  EXPECT_EQ(out.upstreams[0].parent->username, "");
  EXPECT_EQ(out.upstreams[0].parent->password, "");
}

TEST_F(ConfigWiringTest, AnUnreadablePasswordFileIsAnError) {
  config_.upstreams[0].password_file = folder_.path() + "/none";
  EXPECT_FALSE(plan_upstreams(config_).ok());
}

}  // namespace
}  // namespace layby::app
