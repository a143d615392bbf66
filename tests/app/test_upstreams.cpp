// SPDX-License-Identifier: Apache-2.0
//
// The upstreams across a reload of the configuration. An upstream whose plan changed lives until
// its last request ends. The guard of this upstream then sends no more pings. The registries are
// real, and talk to a server of the test. The guards have fake timers.

#include "app/upstreams.h"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "layby/event/loop.h"
#include "support/fake_clock.h"
#include "support/fake_store.h"
#include "support/fake_timers.h"
#include "support/tiny_http_server.h"

namespace layby::app {
namespace {

using std::chrono::seconds;
using testing::Gate;
using testing::Peer;
using testing::SeenRequest;
using testing::TinyHttpServer;

class UpstreamsTest : public ::testing::Test {
 protected:
  UpstreamsTest()
      : loop_(std::move(event::Loop::create()).value()),
        multi_(std::move(upstream::Multi::create(*loop_)).value()),
        upstreams_(
            Upstreams::Context{*multi_, timers_, clock_, counters_, events_, rules_, "box"}) {}

  UpstreamPlan plan(int requests_per_minute) {
    UpstreamPlan plan;
    plan.name = "docker.io";
    plan.allow = {"*"};
    plan.guard.requests_per_minute = requests_per_minute;
    plan.registry = options();
    return plan;
  }
  UpstreamPlan plan_with_parent() {
    UpstreamPlan with = plan(0);
    with.parent = options();
    with.parent->ns = "docker.io";
    return with;
  }
  upstream::RegistryOptions options() {
    upstream::RegistryOptions options;
    options.name = "docker.io";
    options.url = http::parse_url(server_.url()).value();
    return options;
  }
  // Makes the upstream of `next` the only upstream of the cache, and returns a weak pointer to it.
  std::weak_ptr<cache::Upstream> apply(UpstreamPlan next) {
    std::vector<UpstreamPlan> plans;
    plans.push_back(std::move(next));
    auto origins = upstreams_.make_origins(std::move(plans));
    std::weak_ptr<cache::Upstream> made = origins.front().upstream;
    if (cache_) {
      cache_->set_origins(std::move(origins));
    } else {
      cache_ = std::make_unique<cache::Cache>(rules_, std::move(origins), store_, timers_, clock_,
                                              counters_, events_);
    }
    timers_.run();
    return made;
  }

  // Asks for the tags, and destroys the handle inside the callback, as the server does.
  void ask() {
    asked_ = cache_->get_tags(*cache_->find_origin(""), "library/debian", {},
                              [this](const Result<cache::TagPage>& page) {
                                tags_ = page.ok() ? page->tags : std::vector<std::string>();
                                asked_.reset();
                              });
    timers_.run();
  }
  bool turn_until(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + seconds(20);
    while (!done()) {
      if (std::chrono::steady_clock::now() > end) return false;
      const auto tick = loop_->after(std::chrono::milliseconds(1), [this] { loop_->stop(); });
      loop_->run();
    }
    return true;
  }
  // The pings that the server got.
  std::size_t pings() const { return server_.count("/v2/?"); }

  Gate gate_;
  // The server never lets a ping succeed, so pings go on.
  TinyHttpServer server_{[this](const SeenRequest& request, Peer& peer) {
    if (request.target.starts_with("/v2/?")) return peer.reply(503);
    gate_.wait();
    peer.reply(200, {{"Content-Type", "application/json"}}, R"({"name": "n", "tags": ["12"]})");
  }};
  testing::FakeClock clock_;
  testing::FakeTimers timers_{clock_};
  testing::FakeStore store_{timers_};
  Counters counters_;
  events::Events events_;
  cache::Rules rules_;
  std::unique_ptr<event::Loop> loop_;
  std::unique_ptr<upstream::Multi> multi_;
  Upstreams upstreams_;
  std::unique_ptr<cache::Cache> cache_;
  Handle asked_;
  std::optional<std::vector<std::string>> tags_;
};

TEST_F(UpstreamsTest, AnUpstreamWithTheSamePlanStays) {
  const auto first = apply(plan(300));
  const auto second = apply(plan(300));
  EXPECT_FALSE(first.expired());
  EXPECT_EQ(first.lock(), second.lock());
}

TEST_F(UpstreamsTest, AnIdleUpstreamEndsWhenItIsReplaced) {
  const auto first = apply(plan(300));
  const auto second = apply(plan(301));
  EXPECT_TRUE(first.expired());
  EXPECT_FALSE(second.expired());
}

TEST_F(UpstreamsTest, AReplacedUpstreamEndsAfterItsLastRequest) {
  const auto first = apply(plan(300));
  ask();
  ASSERT_TRUE(turn_until([this] { return server_.count("/v2/library") == 1; }));
  apply(plan(301));
  EXPECT_FALSE(first.expired());
  gate_.open();
  ASSERT_TRUE(turn_until([this] { return tags_.has_value(); }));
  EXPECT_EQ(tags_, std::vector<std::string>{"12"});
  timers_.run();
  EXPECT_TRUE(first.expired());
}

TEST_F(UpstreamsTest, AReplacedUpstreamEndsWhenItsLastClientLeaves) {
  const auto first = apply(plan(300));
  ask();
  ASSERT_TRUE(turn_until([this] { return server_.count("/v2/library") == 1; }));
  apply(plan(301));
  asked_.reset();
  timers_.run();
  EXPECT_TRUE(first.expired());
  gate_.open();
}

TEST_F(UpstreamsTest, TheGuardOfAReplacedUpstreamPingsNoMore) {
  gate_.open();
  const auto first = apply(plan_with_parent());
  ASSERT_TRUE(turn_until([this] {
    timers_.advance(seconds(5));
    return pings() >= 3;
  }));
  apply(plan(300));
  EXPECT_TRUE(first.expired());
  for (int i = 0; i < 10; ++i) {
    timers_.advance(seconds(5));
    tags_.reset();
    ask();
    ASSERT_TRUE(turn_until([this] { return tags_.has_value(); }));
  }
  EXPECT_LE(pings(), 4u);  // The fourth ping may have been under way.
}

}  // namespace
}  // namespace layby::app
