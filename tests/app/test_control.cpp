// SPDX-License-Identifier: Apache-2.0
//
// The CLI's commands over the Unix socket, on a store in memory. No request of these tests needs
// the loop or the network.

#include "app/control.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "support/fake_clock.h"
#include "support/fake_store.h"
#include "support/fake_timers.h"
#include "support/fake_upstream.h"

namespace layby::app {
namespace {

using std::chrono::milliseconds;
using Json = nlohmann::json;

class ControlTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto loop = event::Loop::create();
    ASSERT_TRUE(loop.ok());
    loop_ = std::move(*loop);
    workers_ = std::make_unique<event::Workers>(1);
    config_.prefetch.clear();
    std::vector<cache::Origin> origins;
    origins.push_back({"docker.io", {"*"}, std::make_unique<testing::FakeUpstream>()});
    cache_ = std::make_unique<cache::Cache>(cache::Rules{}, std::move(origins), store_, timers_,
                                            clock_, counters_, events_);
    prefetching_ = std::make_unique<Prefetching>(
        Prefetching::Context{config_, *cache_, *loop_, *workers_, clock_, events_});
    add_control_routes(routes_,
                       {*cache_, store_, store_, *prefetching_, ring_, clock_, config_, shutdown_});
    client_.is_local = true;
  }
  void TearDown() override {
    handle_.reset();
    prefetching_.reset();
    cache_.reset();
    workers_.reset();
  }

  // Sends a request and stores the handle, as the server does.
  void ask(const std::string& method, const std::string& path, const std::string& query = "") {
    given_.reset();
    request_ = std::make_unique<server::Request>();
    request_->method = method;
    request_->path = path;
    request_->query = query;
    request_->client = client_;
    handle_ = routes_.handle(*request_, [this](auto response) { given_ = std::move(response); });
    if (given_) handle_.reset();
  }
  void leave() {
    handle_.reset();
    request_.reset();
  }
  int status() {
    timers_.run();
    return given_ ? given_->status : 0;
  }
  Json body() {
    timers_.run();
    if (!given_) return {};
    return Json::parse(*std::get<std::shared_ptr<const std::string>>(given_->body));
  }

  Config config_;
  testing::FakeClock clock_;
  testing::FakeTimers timers_{clock_};
  testing::FakeStore store_{timers_};
  Counters counters_;
  events::Events events_;
  events::Ring ring_{clock_};
  std::unique_ptr<event::Loop> loop_;
  std::unique_ptr<event::Workers> workers_;
  std::unique_ptr<cache::Cache> cache_;
  std::unique_ptr<Prefetching> prefetching_;
  web::Routes routes_;
  server::ClientInfo client_;
  std::unique_ptr<server::Request> request_;
  Handle handle_;
  std::optional<server::Response> given_;
  std::vector<milliseconds> drains_;
  Shutdown shutdown_{config_,
                     timers_,
                     clock_,
                     {.on_draining = [this](milliseconds left) { drains_.push_back(left); },
                      .on_ending = [] {},
                      .stop = [] {}}};
};

TEST_F(ControlTest, NoCommandIsThereForTheNetwork) {
  client_.is_local = false;
  for (const web::Route& route : routes_.all()) {
    ask(route.method, route.path);
    EXPECT_EQ(status(), 404) << route.path;
  }
}

TEST_F(ControlTest, AWrongMethodIsRefused) {
  ask("GET", "/pin");
  EXPECT_EQ(status(), 405);
  EXPECT_EQ(given_->headers.get("Allow"), "POST");
}

TEST_F(ControlTest, ImagesAreListed) {
  ask("GET", "/images");
  EXPECT_EQ(body()["images"], Json::array());
}

TEST_F(ControlTest, AnImageIsPinnedBeforeItIsCached) {
  ask("POST", "/pin", "image=debian:12");
  EXPECT_EQ(body(), (Json{{"image", "debian:12"}, {"cached", false}}));
  ask("POST", "/unpin", "image=debian:12");
  EXPECT_EQ(body(), (Json{{"image", "debian:12"}, {"was_pinned", true}}));
}

TEST_F(ControlTest, AnAnswerForAClientThatLeftIsDropped) {
  ask("POST", "/pin", "image=debian:12");
  leave();
  EXPECT_EQ(status(), 0);
}

TEST_F(ControlTest, AFailureForAClientThatLeftIsDropped) {
  ask("POST", "/evict", "image=debian:12");
  leave();
  EXPECT_EQ(status(), 0);
}

TEST_F(ControlTest, AWordThatIsNoImageIsRefused) {
  ask("POST", "/pin", "image=Debian");
  EXPECT_EQ(status(), 400);
  EXPECT_NE(body()["error"].get<std::string>().find("\"Debian\" is not an image"),
            std::string::npos);
}

TEST_F(ControlTest, AnImageOfAnUnknownUpstreamIsRefused) {
  ask("POST", "/evict", "image=ghcr.io/acme/tool:1");
  EXPECT_EQ(status(), 400);
  EXPECT_NE(body()["error"].get<std::string>().find("no upstream is called ghcr.io"),
            std::string::npos);
}

TEST_F(ControlTest, AnImageThatIsNotCachedCannotBeEvicted) {
  ask("POST", "/evict", "image=debian:12");
  EXPECT_EQ(status(), 404);
}

TEST_F(ControlTest, BytesToEvictAreANumber) {
  ask("POST", "/evict", "bytes=many");
  EXPECT_EQ(status(), 400);
  ask("POST", "/evict", "bytes=1");
  EXPECT_EQ(body(), (Json{{"blobs", 0}, {"bytes", 0}}));
}

TEST_F(ControlTest, ARunWithoutAListIsRefused) {
  ask("POST", "/prefetch");
  EXPECT_EQ(status(), 409);
  ask("GET", "/prefetch/plan");
  EXPECT_EQ(status(), 409);
  ask("GET", "/prefetch");
  EXPECT_EQ(body()["state"], "off");
}

TEST_F(ControlTest, EventsAreThoseAfterANumber) {
  ring_.on_event(events::Evicted{1, 10, 0});
  ring_.on_event(events::Evicted{2, 20, 0});
  ask("GET", "/events");
  EXPECT_EQ(body()["events"].size(), 2u);
  ask("GET", "/events", "after=1");
  ASSERT_EQ(body()["events"].size(), 1u);
  EXPECT_EQ(body()["events"][0]["number"], 2);
  EXPECT_EQ(body()["events"][0]["fields"]["blobs"], 2);
  ask("GET", "/events", "after=2");
  EXPECT_EQ(body()["events"], Json::array());
}

TEST_F(ControlTest, EventsAfterAWordAreRefused) {
  ask("GET", "/events", "after=now");
  EXPECT_EQ(status(), 400);
}

TEST_F(ControlTest, DrainTakesTheTimeOfTheConfiguration) {
  config_.drain_for = milliseconds(15'000);
  ask("POST", "/drain");
  EXPECT_EQ(status(), 202);
  EXPECT_EQ(body()["seconds"], 15);
  EXPECT_EQ(drains_, std::vector{milliseconds(15'000)});
  EXPECT_TRUE(shutdown_.draining());
}

TEST_F(ControlTest, DrainTakesItsOwnTime) {
  ask("POST", "/drain", "for=5m");
  EXPECT_EQ(status(), 202);
  EXPECT_EQ(drains_, std::vector{milliseconds(300'000)});
}

TEST_F(ControlTest, DrainOfNoDurationIsRefused) {
  for (const char* query : {"for=soon", "for=", "for=25h", "for=-5s"}) {
    ask("POST", "/drain", query);
    EXPECT_EQ(status(), 400) << query;
  }
  EXPECT_FALSE(shutdown_.draining());
}

}  // namespace
}  // namespace layby::app
