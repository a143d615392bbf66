// SPDX-License-Identifier: Apache-2.0
//
// Tests the host names under which the pages are served. The box of these tests has the host name
// layby.example.

#include "app/page_hosts.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <variant>

#include "app/front.h"

namespace layby::app {
namespace {

class PageHostsTest : public ::testing::Test {
 protected:
  static server::Request request(const std::string& host, const std::string& path = "/stats") {
    server::Request request;
    request.method = "GET";
    request.path = path;
    request.headers.add("Host", host);
    return request;
  }
  bool passes(const std::string& host) const { return !hosts_.judge(request(host)); }

  const PageHosts hosts_{{"mirror.example"}, [] { return std::string("Layby.example"); }};
};

TEST_F(PageHostsTest, AddressesPass) {
  for (const char* host :
       {"10.0.0.7", "10.0.0.7:5000", "127.0.0.1:80", "[::1]", "[fd00::1]:5000"}) {
    EXPECT_TRUE(passes(host)) << host;
  }
}

TEST_F(PageHostsTest, NamesOfThisBoxPass) {
  for (const char* host : {"layby.example", "layby", "LAYBY:5000", "layby.local", "layby.local.:80",
                           "localhost", "localhost:5000"}) {
    EXPECT_TRUE(passes(host)) << host;
  }
}

TEST_F(PageHostsTest, ConfiguredNamesPass) {
  EXPECT_TRUE(passes("mirror.example"));
  EXPECT_TRUE(passes("Mirror.Example.:5000"));
}

TEST_F(PageHostsTest, OtherNamesAreRefused) {
  for (const char* host : {"evil.example", "layby.evil.example", "10.0.0.7.evil.example", "example",
                           "", "[", "[]", "local", "evil.local", ":5000"}) {
    EXPECT_FALSE(passes(host)) << host;
  }
}

TEST_F(PageHostsTest, TheRefusalNamesTheHostAndTheSetting) {
  const auto refusal = hosts_.judge(request("evil.example:5000"));
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->status, 421);
  const auto text = *std::get<std::shared_ptr<const std::string>>(refusal->body);
  EXPECT_NE(text.find("add \"evil.example\" to \"hosts\""), std::string::npos) << text;
}

TEST_F(PageHostsTest, ABoxWithoutANameHasNone) {
  const PageHosts hosts({}, [] { return std::string(); });
  EXPECT_TRUE(hosts.judge(request("")).has_value());
  EXPECT_TRUE(hosts.judge(request(".local")).has_value());
}

TEST_F(PageHostsTest, HealthTheUnixSocketAndRequestsWithoutAHostPass) {
  EXPECT_FALSE(hosts_.judge(request("evil.example", "/healthz")));
  server::Request local = request("evil.example");
  local.client.is_local = true;
  EXPECT_FALSE(hosts_.judge(local));
  server::Request without;
  without.path = "/stats";
  EXPECT_FALSE(hosts_.judge(without));
}

// Answers every request with one fixed status.
class Fixed final : public server::Handler {
 public:
  explicit Fixed(int status) : status_(status) {}
  Handle handle(const server::Request&, Respond respond) override {
    server::Response response;
    response.status = status_;
    respond(std::move(response));
    return nullptr;
  }

 private:
  const int status_;
};

TEST_F(PageHostsTest, ChangedNamesCountAtOnce) {
  Fixed api(200);
  Fixed pages(202);
  Front front(api, pages, hosts_);
  const auto status = [&](const std::string& host) {
    int given = 0;
    front.handle(request(host), [&](const server::Response& answer) { given = answer.status; });
    return given;
  };
  EXPECT_EQ(status("mirror.example"), 202);
  front.set_hosts({"other.example"});
  EXPECT_EQ(status("other.example"), 202);
  EXPECT_EQ(status("mirror.example"), 421);
}

TEST_F(PageHostsTest, OnlyThePagesAreJudged) {
  Fixed api(200);
  Fixed pages(202);
  Front front(api, pages, hosts_);
  const auto status = [&](const server::Request& request) {
    int given = 0;
    front.handle(request, [&](const server::Response& response) { given = response.status; });
    return given;
  };
  EXPECT_EQ(status(request("evil.example", "/v2/")), 200);
  EXPECT_EQ(status(request("evil.example", "/v2")), 200);
  EXPECT_EQ(status(request("evil.example", "/v2x")), 421);
  EXPECT_EQ(status(request("layby", "/stats")), 202);
}

}  // namespace
}  // namespace layby::app
