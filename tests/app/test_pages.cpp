// SPDX-License-Identifier: Apache-2.0
//
// The pages beside /v2, and the choice of a handler for each request.

#include "app/pages.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "app/front.h"
#include "layby/web/answers.h"

namespace layby::app {
namespace {

// Answers every request with its path.
class PlayedApi final : public server::Handler {
 public:
  Handle handle(const server::Request& request, Respond respond) override {
    respond(web::text_answer(200, "the API got " + request.path));
    return nullptr;
  }
};

class PagesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    snapshot_.version = "1.2.3";
    snapshot_.counters = &counters_;
    add_page_routes(
        routes_, [this] { return snapshot_; }, [this] { return draining_; });
  }

  server::Response ask(const std::string& method, const std::string& path) {
    server::Request request;
    request.method = method;
    request.path = path;
    request.headers.add("Host", "mirror:5000");
    std::optional<server::Response> given;
    front_.handle(request, [&](server::Response response) { given = std::move(response); });
    return std::move(*given);
  }
  static std::string body(const server::Response& response) {
    return *std::get<std::shared_ptr<const std::string>>(response.body);
  }

  Counters counters_;
  admin::Snapshot snapshot_;
  bool draining_ = false;
  PlayedApi api_;
  web::Routes routes_;
  Front front_{api_, routes_, PageHosts({"mirror"})};
};

TEST_F(PagesTest, EverythingUnderV2GoesToTheApi) {
  EXPECT_EQ(body(ask("GET", "/v2")), "the API got /v2");
  EXPECT_EQ(body(ask("DELETE", "/v2/a/blobs/x")), "the API got /v2/a/blobs/x");
  EXPECT_EQ(ask("GET", "/v2x").status, 404);
}

TEST_F(PagesTest, HealthIsOk) { EXPECT_EQ(body(ask("GET", "/healthz")), "ok\n"); }

TEST_F(PagesTest, HealthIs503WhileTheDaemonDrains) {
  draining_ = true;
  EXPECT_EQ(ask("GET", "/healthz").status, 503);
  EXPECT_EQ(ask("GET", "/stats").status, 200);
}

TEST_F(PagesTest, StatsAreJson) {
  const server::Response answer = ask("GET", "/stats");
  EXPECT_EQ(answer.headers.get("Content-Type"), "application/json");
  EXPECT_NE(body(answer).find("\"version\": \"1.2.3\""), std::string::npos);
}

TEST_F(PagesTest, MetricsNameTheirFormat) {
  const server::Response answer = ask("GET", "/metrics");
  EXPECT_EQ(answer.headers.get("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_NE(body(answer).find("layby_info{version=\"1.2.3\"} 1\n"), std::string::npos);
}

TEST_F(PagesTest, FrontPageNamesTheMirrorAndThePages) {
  const std::string page = body(ask("GET", "/"));
  EXPECT_NE(page.find("{\"registry-mirrors\": [\"http://mirror:5000\"]}\n\n"
                      "/healthz   200 while the daemon serves, 503 in a drain\n"
                      "/stats     its statistics, as JSON\n"
                      "/metrics   the same for Prometheus\n"),
            std::string::npos)
      << page;
  EXPECT_EQ(page.find("Needs attention"), std::string::npos);
}

TEST_F(PagesTest, FrontPageShowsNotices) {
  snapshot_.notices = {"layby.json has faults", "  line 3"};
  EXPECT_TRUE(body(ask("GET", "/"))
                  .ends_with("\nNeeds attention:\n\n  layby.json has faults\n    line 3\n"));
}

TEST_F(PagesTest, PagesAreReadOnly) {
  const server::Response answer = ask("POST", "/stats");
  EXPECT_EQ(answer.status, 405);
  EXPECT_EQ(answer.headers.get("Allow"), "GET, HEAD");
}

}  // namespace
}  // namespace layby::app
