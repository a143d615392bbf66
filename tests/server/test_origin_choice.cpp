// SPDX-License-Identifier: Apache-2.0
//
// Which upstream a request is for: the ways in which a client names the upstream, the order of
// these ways, and the refusals.

#include "server/origin_choice.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "support/fake_clock.h"
#include "support/fake_store.h"
#include "support/fake_timers.h"
#include "support/fake_upstream.h"

namespace layby::testing {
namespace {

using server::Request;
using server::Response;
using server::Target;

class OriginChoiceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::vector<cache::Origin> origins;
    for (const char* name : {"docker.io", "ghcr.io", "registry.example:5000", "registry.example",
                             "localhost", "box"}) {
      origins.push_back({name, {"*"}, std::make_unique<FakeUpstream>(), {"*/secret"}});
    }
    cache_ = std::make_unique<cache::Cache>(cache::Rules{}, std::move(origins), store_, timers_,
                                            clock_, counters_, events_);
  }
  void TearDown() override {}

  struct Asked {
    std::string name;
    std::string query;
    std::string host = "mirror.example:5000";
  };
  // "ghcr.io acme/tool", or the status and the body of the refusal.
  std::string choose(const Asked& asked) const {
    Request request;
    request.query = asked.query;
    request.headers.add("Host", asked.host);
    const auto choice = server::choose_origin(*cache_, request, asked.name);
    if (const auto* target = std::get_if<Target>(&choice)) {
      return target->origin->name + " " + target->repository;
    }
    const auto& refusal = std::get<Response>(choice);
    return std::to_string(refusal.status) + " " +
           *std::get<std::shared_ptr<const std::string>>(refusal.body);
  }
  ::testing::AssertionResult is_refused(const Asked& asked, const std::string& status_and_code,
                                        const std::string& named) const {
    const std::string chosen = choose(asked);
    const auto space = status_and_code.find(' ');
    const std::string begin = status_and_code.substr(0, space) + " {\"errors\":[{\"code\":\"" +
                              status_and_code.substr(space + 1) + '"';
    if (chosen.starts_with(begin) && chosen.find(named) != std::string::npos) {
      return ::testing::AssertionSuccess();
    }
    return ::testing::AssertionFailure() << asked.name << "?" << asked.query << ": " << chosen;
  }

  FakeClock clock_;
  FakeTimers timers_{clock_};
  FakeStore store_{timers_};
  Counters counters_;
  events::Events events_;
  std::unique_ptr<cache::Cache> cache_;
};

TEST_F(OriginChoiceTest, RefusesANameThatLibraryMakesTooLong) {
  EXPECT_EQ(choose({std::string(247, 'a'), ""}), "docker.io library/" + std::string(247, 'a'));
  EXPECT_TRUE(is_refused({std::string(248, 'a'), ""}, "400 NAME_INVALID", "invalid"));
  EXPECT_EQ(choose({std::string(255, 'a'), "ns=ghcr.io"}), "ghcr.io " + std::string(255, 'a'));
}

TEST_F(OriginChoiceTest, FirstUpstreamServesRequestsThatNameNone) {
  EXPECT_EQ(choose({"debian", ""}), "docker.io library/debian");
  EXPECT_EQ(choose({"acme/tool", "n=5&last=a"}), "docker.io acme/tool");
  EXPECT_EQ(choose({"acme/tool", "ns="}), "docker.io acme/tool");
}

TEST_F(OriginChoiceTest, FirstUpstreamServesRequestsWithoutAHost) {
  EXPECT_EQ(choose({"acme/tool", "", ""}), "docker.io acme/tool");
  EXPECT_EQ(choose({"acme/tool", "", ":5000"}), "docker.io acme/tool");
  EXPECT_EQ(choose({"acme/tool", "", "."}), "docker.io acme/tool");
}

TEST_F(OriginChoiceTest, NsNamesTheUpstream) {
  EXPECT_EQ(choose({"tool", "ns=ghcr.io"}), "ghcr.io tool");
  EXPECT_EQ(choose({"tool", "ns=registry.example%3A5000"}), "registry.example:5000 tool");
  EXPECT_EQ(choose({"tool", "ns=box"}), "box tool");
  EXPECT_EQ(choose({"tool", "ns=docker.io"}), "docker.io library/tool");
}

TEST_F(OriginChoiceTest, UnknownNsIsRefusedByName) {
  EXPECT_TRUE(is_refused({"acme/tool", "ns=quay.io"}, "404 NAME_UNKNOWN",
                         "no upstream is called \\\"quay.io\\\"; add it to \\\"upstreams\\\""));
}

TEST_F(OriginChoiceTest, NsOverridesThePath) {
  EXPECT_EQ(choose({"localhost/tool", "ns=ghcr.io"}), "ghcr.io localhost/tool");
  EXPECT_EQ(choose({"quay.io/tool", "ns=ghcr.io"}), "ghcr.io quay.io/tool");
}

TEST_F(OriginChoiceTest, NsOverridesHost) {
  EXPECT_EQ(choose({"tool", "ns=box", "ghcr.io"}), "box tool");
}

TEST_F(OriginChoiceTest, WithNsTheWholePathIsARepository) {
  EXPECT_TRUE(is_refused({"localhost:80/tool", "ns=ghcr.io"}, "400 NAME_INVALID", "invalid"));
}

TEST_F(OriginChoiceTest, FirstPartOfThePathNamesTheUpstream) {
  EXPECT_EQ(choose({"ghcr.io/acme/tool", ""}), "ghcr.io acme/tool");
  EXPECT_EQ(choose({"registry.example:5000/a/b/c", ""}), "registry.example:5000 a/b/c");
  EXPECT_EQ(choose({"registry.example/tool", ""}), "registry.example tool");
  EXPECT_EQ(choose({"localhost/tool", ""}), "localhost tool");
}

TEST_F(OriginChoiceTest, DockerHubInThePathMeansLibraryToo) {
  EXPECT_EQ(choose({"docker.io/debian", ""}), "docker.io library/debian");
  EXPECT_EQ(choose({"index.docker.io/acme/tool", ""}), "docker.io acme/tool");
}

TEST_F(OriginChoiceTest, OnlyAPartThatLooksLikeARegistryNamesAnUpstream) {
  EXPECT_EQ(choose({"box/tool", ""}), "docker.io box/tool");
  EXPECT_EQ(choose({"acme/ghcr.io", ""}), "docker.io acme/ghcr.io");
  EXPECT_EQ(choose({"ghcr.io", ""}), "docker.io library/ghcr.io");
}

TEST_F(OriginChoiceTest, UnknownRegistryInThePathIsRefusedByName) {
  for (const std::string registry : {"quay.io", "ghcr.io:443", "localhost:5000"}) {
    EXPECT_TRUE(is_refused({registry + "/acme/tool", ""}, "404 NAME_UNKNOWN", registry));
    EXPECT_TRUE(is_refused({registry + "/acme/tool", "", "ghcr.io"}, "404 NAME_UNKNOWN", registry));
  }
}

TEST_F(OriginChoiceTest, ThePathOverridesHost) {
  EXPECT_EQ(choose({"registry.example/tool", "", "ghcr.io"}), "registry.example tool");
}

TEST_F(OriginChoiceTest, TheClientsNameKeepsTheRegistryItWrote) {
  Request request;
  const auto target = std::get<Target>(choose_origin(*cache_, request, "index.docker.io/debian"));
  EXPECT_EQ(target.repository, "library/debian");
  EXPECT_EQ(target.client_name(), "index.docker.io/library/debian");
}

TEST_F(OriginChoiceTest, HostNamesTheUpstreamInAnySpelling) {
  for (const char* host : {"ghcr.io", "GHCR.io", "ghcr.io.", "ghcr.io:5000", "Ghcr.IO.:443"}) {
    EXPECT_EQ(choose({"acme/tool", "", host}), "ghcr.io acme/tool") << host;
  }
}

TEST_F(OriginChoiceTest, HostWithAPortMatchesTheUpstreamWithThatPort) {
  EXPECT_EQ(choose({"tool", "", "registry.example:5000"}), "registry.example:5000 tool");
  EXPECT_EQ(choose({"tool", "", "Registry.example.:5000"}), "registry.example:5000 tool");
  EXPECT_EQ(choose({"tool", "", "registry.example:5001"}), "registry.example tool");
  EXPECT_EQ(choose({"tool", "", "registry.example"}), "registry.example tool");
}

TEST_F(OriginChoiceTest, UnknownHostMeansTheFirstUpstream) {
  for (const char* host : {"10.0.0.7:5000", "[::1]:5000", "layby", "quay.io", "xghcr.io"}) {
    EXPECT_EQ(choose({"tool", "", host}), "docker.io library/tool") << host;
  }
}

TEST_F(OriginChoiceTest, RepositoryThatTheUpstreamDoesNotServeIsRefused) {
  EXPECT_TRUE(is_refused({"acme/secret", "ns=ghcr.io"}, "403 DENIED", "acme/secret of ghcr.io"));
  EXPECT_TRUE(is_refused({"ghcr.io/acme/secret", ""}, "403 DENIED", "acme/secret of ghcr.io"));
  EXPECT_TRUE(is_refused({"acme/secret", "", "ghcr.io"}, "403 DENIED", "acme/secret of ghcr.io"));
}

}  // namespace
}  // namespace layby::testing
