// SPDX-License-Identifier: Apache-2.0

#include "layby/web/routes.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "layby/web/answers.h"

namespace layby::web {
namespace {

class RoutesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    client_.address = "10.0.0.7";
    add("GET", "/stats", Who::kAnyone);
    add("POST", "/pin", Who::kOperator);
    add("GET", "/images", Who::kLocal);
    add("GET", "/prefetch", Who::kLocal);
    add("POST", "/prefetch", Who::kLocal);
  }

  void add(const std::string& method, const std::string& path, Who who) {
    const std::string name = method + " " + path;
    routes_.add({method, path, who, "A route of the test",
                 at_once([name](const auto&) { return text_answer(200, name); })});
  }

  server::Response ask(const std::string& method, const std::string& path) {
    server::Request request;
    request.method = method;
    request.path = path;
    request.query = query_;
    request.client = client_;
    std::optional<server::Response> given;
    routes_.handle(request, [&](server::Response response) { given = std::move(response); });
    return std::move(*given);
  }
  static std::string body(const server::Response& response) {
    return *std::get<std::shared_ptr<const std::string>>(response.body);
  }

  Routes routes_;
  std::string query_;
  server::ClientInfo client_;
};

TEST_F(RoutesTest, AnswersByMethodAndPath) { EXPECT_EQ(body(ask("GET", "/stats")), "GET /stats"); }

TEST_F(RoutesTest, AnswersHeadAsGet) { EXPECT_EQ(body(ask("HEAD", "/stats")), "GET /stats"); }

TEST_F(RoutesTest, RefusesABrokenEscapeInTheQuery) {
  query_ = "after=%zz";
  EXPECT_EQ(ask("GET", "/stats").status, 400);
}

TEST_F(RoutesTest, KnowsNoOtherPath) {
  const server::Response answer = ask("GET", "/nosuch");
  EXPECT_EQ(answer.status, 404);
  EXPECT_NE(body(answer).find("see /"), std::string::npos);
}

TEST_F(RoutesTest, NamesTheMethodsOfAPath) {
  const server::Response answer = ask("POST", "/stats");
  EXPECT_EQ(answer.status, 405);
  EXPECT_EQ(answer.headers.get("Allow"), "GET, HEAD");
}

TEST_F(RoutesTest, NamesTheMethodsOfAllRoutesOfAPath) {
  client_.is_local = true;
  EXPECT_EQ(ask("DELETE", "/prefetch").headers.get("Allow"), "GET, HEAD, POST");
}

TEST_F(RoutesTest, HidesLocalRoutesFromTheNetwork) {
  EXPECT_EQ(ask("GET", "/images").status, 404);
  EXPECT_EQ(ask("POST", "/images").status, 404);

  client_.is_local = true;
  EXPECT_EQ(ask("GET", "/images").status, 200);
}

TEST_F(RoutesTest, GivesOperatorRoutesToTheSocketAndToNamedClients) {
  EXPECT_EQ(ask("POST", "/pin").status, 404);

  client_.user = "alice";
  EXPECT_EQ(ask("POST", "/pin").status, 200);

  client_.user.clear();
  client_.is_local = true;
  EXPECT_EQ(ask("POST", "/pin").status, 200);
}

TEST_F(RoutesTest, RefusesTheProgramAtTheSocketInJson) {
  client_.is_local = true;
  const server::Response answer = ask("GET", "/pin");
  EXPECT_EQ(answer.headers.get("Content-Type"), "application/json");
  EXPECT_EQ(body(answer), "{\"error\":\"this page is for POST\"}\n");
}

}  // namespace
}  // namespace layby::web
