// SPDX-License-Identifier: Apache-2.0

#include "cli/check_page.h"

#include <gtest/gtest.h>

namespace layby::cli {
namespace {

engines::Endpoint mirror(const std::string& api) {
  engines::Endpoint endpoint;
  endpoint.api = api;
  endpoint.repository = "library/debian";
  endpoint.is_mirror = true;
  return endpoint;
}

CheckedImage checked(std::vector<Probe> probes) {
  CheckedImage checked{engines::Engine::kDocker, "debian:12", {}, std::move(probes)};
  checked.route.endpoints = {mirror("http://box:5000/v2"), mirror("http://b/v2")};
  checked.route.files = {"/etc/docker/daemon.json"};
  return checked;
}

TEST(CheckPage, FirstServerThatHasTheImageIsTheAnswer) {
  const auto from_second = checked({{0, false, "Connection refused"}, {200, true, ""}});
  EXPECT_TRUE(is_from_layby(from_second));
  EXPECT_EQ(check_page(from_second),
            "docker, by /etc/docker/daemon.json:\n"
            "  1. http://box:5000 doesn't answer: Connection refused\n"
            "  2. http://b a Layby; has the image\n"
            "docker gets debian:12 from the Layby at http://b.\n");
}

TEST(CheckPage, ServersBehindTheAnswerAreNotAsked) {
  EXPECT_NE(check_page(checked({{200, true, ""}})).find("  2. http://b isn't asked\n"),
            std::string::npos);
}

TEST(CheckPage, AnotherServersAnswerIsNotFromLayby) {
  const auto other = checked({{404, true, "no such tag"}, {200, false, ""}});
  EXPECT_FALSE(is_from_layby(other));
  EXPECT_NE(check_page(other).find("docker doesn't get debian:12 from a Layby: http://box:5000 a "
                                   "Layby; answers 404: no such tag.\n"),
            std::string::npos);
}

TEST(CheckPage, RunningDockersMirrorsCount) {
  engines::Route route = checked({}).route;
  engines::Endpoint own = mirror("https://registry-1.docker.io/v2");
  own.is_mirror = false;
  route.endpoints.push_back(own);
  const Json info{{"RegistryConfig", {{"Mirrors", {"http://b/", "http://c/"}}}}};
  follow_running_docker(info, route);
  EXPECT_EQ(route.endpoints,
            (std::vector<engines::Endpoint>{mirror("http://b/v2"), mirror("http://c/v2"), own}));
  ASSERT_EQ(route.notes.size(), 1u);
  EXPECT_EQ(route.notes[0].find("the running dockerd doesn't use http://box:5000 yet; `systemctl "
                                "reload docker`"),
            0u);
}

TEST(CheckPage, RunningDockersMirrorsAreForDockerHub) {
  engines::Route route;
  engines::Endpoint own = mirror("https://ghcr.io/v2");
  own.is_mirror = false;
  route.endpoints = {own};
  follow_running_docker(Json{{"RegistryConfig", {{"Mirrors", {"http://b/"}}}}}, route);
  EXPECT_EQ(route.endpoints, std::vector<engines::Endpoint>{own});
}

}  // namespace
}  // namespace layby::cli
