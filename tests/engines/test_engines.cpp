// SPDX-License-Identifier: Apache-2.0
//
// Which servers each engine asks, by the files that its documentation shows.

#include "layby/engines/engines.h"

#include <gtest/gtest.h>

#include <map>

namespace layby::engines {
namespace {

class EnginesTest : public ::testing::Test {
 protected:
  void write(const std::string& path, const std::string& text) { files_[path] = text; }

  Machine machine() const {
    Machine machine;
    machine.read = [this](const std::string& path) -> Result<std::optional<std::string>> {
      const auto at = files_.find(path);
      return at == files_.end() ? std::optional<std::string>() : std::optional(at->second);
    };
    machine.list = [this](const std::string& folder) {
      std::vector<std::string> names;
      for (const auto& [path, text] : files_) {
        if (path.starts_with(folder + "/")) names.push_back(path.substr(folder.size() + 1));
      }
      return names;
    };
    machine.home = home_;
    return machine;
  }
  Route find(Engine engine, const std::string& image) const {
    const auto found = route(engine, image, machine());
    EXPECT_TRUE(found.ok()) << (found.ok() ? "" : found.error().message);
    return found.ok() ? *found : Route();
  }
  // "http://box:5000/v2 library/debian" for each endpoint.
  std::vector<std::string> asked(Engine engine, const std::string& image) const {
    std::vector<std::string> asked;
    for (const Endpoint& endpoint : find(engine, image).endpoints) {
      asked.push_back(endpoint.api + " " + endpoint.repository);
    }
    return asked;
  }
  std::string note(Engine engine, const std::string& image) const {
    const auto notes = find(engine, image).notes;
    return notes.empty() ? "" : notes.front();
  }
  std::string error(Engine engine, const std::string& image) const {
    const auto found = route(engine, image, machine());
    return found.ok() ? "" : found.error().message;
  }

  std::map<std::string, std::string> files_;
  std::string home_;
};

using Asked = std::vector<std::string>;
const std::string kHub = "https://registry-1.docker.io/v2 library/debian";

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_F(EnginesTest, EachEngineHasAName) {
  for (const Engine engine : kEngines) EXPECT_EQ(parse_engine(to_string(engine)), engine);
  EXPECT_EQ(parse_engine("rkt"), std::nullopt);
}

TEST_F(EnginesTest, WhatIsNoImageIsAnError) {
  EXPECT_TRUE(has(error(Engine::kDocker, "Debian"), "isn't the name of an image"));
}

// -- docker

TEST_F(EnginesTest, DockerAsksItsMirrorsAndThenDockerHub) {
  write("/etc/docker/daemon.json", R"({"registry-mirrors": ["http://box:5000/", "https://b"]})");
  EXPECT_EQ(asked(Engine::kDocker, "debian:12"),
            (Asked{"http://box:5000/v2 library/debian", "https://b/v2 library/debian", kHub}));
  EXPECT_TRUE(find(Engine::kDocker, "debian").endpoints[0].is_mirror);
  EXPECT_FALSE(find(Engine::kDocker, "debian").endpoints[2].is_mirror);
}

TEST_F(EnginesTest, DockerAsksNoMirrorForAnotherRegistry) {
  write("/etc/docker/daemon.json", R"({"registry-mirrors": ["http://box:5000"]})");
  EXPECT_EQ(asked(Engine::kDocker, "ghcr.io/acme/tool"), Asked{"https://ghcr.io/v2 acme/tool"});
  EXPECT_TRUE(has(note(Engine::kDocker, "ghcr.io/acme/tool"), "only for images of Docker Hub"));
}

TEST_F(EnginesTest, DockerWithoutAFileOrAMirrorIsNoted) {
  EXPECT_TRUE(has(note(Engine::kDocker, "debian"), "daemon.json doesn't exist"));
  EXPECT_FALSE(is_configured(Engine::kDocker, machine()));
  write("/etc/docker/daemon.json", R"({"registry_mirrors": ["http://box:5000"]})");
  EXPECT_TRUE(has(note(Engine::kDocker, "debian"), "has no registry-mirrors"));
  EXPECT_TRUE(is_configured(Engine::kDocker, machine()));
}

TEST_F(EnginesTest, DockerRefusesAMirrorWithoutAScheme) {
  write("/etc/docker/daemon.json", R"({"registry-mirrors": ["box:5000"]})");
  EXPECT_EQ(asked(Engine::kDocker, "debian"), Asked{kHub});
  EXPECT_TRUE(has(note(Engine::kDocker, "debian"), "doesn't begin with http://"));
}

TEST_F(EnginesTest, DockersBrokenFileIsAnError) {
  write("/etc/docker/daemon.json", R"({"registry-mirrors": ["http://box:5000",]})");
  EXPECT_TRUE(has(error(Engine::kDocker, "debian"), "/etc/docker/daemon.json isn't a JSON object"));
  EXPECT_TRUE(is_configured(Engine::kDocker, machine()));
}

// -- containerd

const std::string kConfigPath =
    "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\n"
    "config_path = \"/etc/containerd/certs.d:/etc/docker/certs.d\"\n";

TEST_F(EnginesTest, ContainerdAsksTheHostsOfTheRegistrysFolderInTheirOrder) {
  write("/etc/containerd/config.toml", kConfigPath);
  write("/etc/containerd/certs.d/docker.io/hosts.toml",
        "server = \"https://registry-1.docker.io\"\n"
        "[host.\"http://z:5000\"]\ncapabilities = [\"pull\", \"resolve\"]\n"
        "[host.\"https://a:5000\"]\nskip_verify = true\nca = \"/ca.crt\"\n");
  EXPECT_EQ(asked(Engine::kContainerd, "debian"),
            (Asked{"http://z:5000/v2 library/debian", "https://a:5000/v2 library/debian", kHub}));
  const auto endpoints = find(Engine::kContainerd, "debian").endpoints;
  EXPECT_EQ(endpoints[0].ns, "docker.io");
  EXPECT_FALSE(endpoints[1].verifies);
  EXPECT_EQ(endpoints[1].ca_file, "/ca.crt");
  EXPECT_EQ(endpoints[2].ns, "");
  EXPECT_TRUE(find(Engine::kContainerd, "debian").notes.empty());
}

TEST_F(EnginesTest, ContainerdOverridesThePath) {
  write("/etc/containerd/config.toml", kConfigPath);
  write("/etc/containerd/certs.d/docker.io/hosts.toml",
        "[host.\"http://box:5000/v2/docker.io\"]\noverride_path = true\n");
  EXPECT_EQ(asked(Engine::kContainerd, "debian").front(),
            "http://box:5000/v2/docker.io library/debian");
}

TEST_F(EnginesTest, ContainerdOfVersionThreeHasThePathInAnotherPlugin) {
  write("/etc/containerd/config.toml",
        "version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '/hosts'\n");
  write("/hosts/_default/hosts.toml", "[host.\"http://box:5000\"]\n");
  EXPECT_EQ(asked(Engine::kContainerd, "ghcr.io/acme/tool"),
            (Asked{"http://box:5000/v2 acme/tool", "https://ghcr.io/v2 acme/tool"}));
}

TEST_F(EnginesTest, ContainerdsFolderOfARegistryWithAPortHasUnderscores) {
  write("/etc/containerd/config.toml", kConfigPath);
  write("/etc/containerd/certs.d/registry.example_5000_/hosts.toml", "[host.\"http://box\"]\n");
  EXPECT_EQ(asked(Engine::kContainerd, "registry.example:5000/a").front(), "http://box/v2 a");
}

TEST_F(EnginesTest, ContainerdWithoutConfigPathIsNoted) {
  write("/etc/containerd/config.toml", "version = 2\n");
  EXPECT_TRUE(has(note(Engine::kContainerd, "debian"), "sets no config_path"));
}

TEST_F(EnginesTest, ContainerdWithoutHostsIsNoted) {
  write("/etc/containerd/config.toml", kConfigPath);
  EXPECT_EQ(asked(Engine::kContainerd, "debian"), Asked{kHub});
  EXPECT_EQ(note(Engine::kContainerd, "debian"),
            "there is no /etc/containerd/certs.d/docker.io/hosts.toml");
}

TEST_F(EnginesTest, ContainerdAsksAHostThatCantResolveForDigestsOnly) {
  write("/etc/containerd/config.toml", kConfigPath);
  write("/etc/containerd/certs.d/docker.io/hosts.toml",
        "[host.\"http://box:5000\"]\ncapabilities = [\"pull\"]\n");
  EXPECT_EQ(asked(Engine::kContainerd, "debian:12"), Asked{kHub});
  EXPECT_TRUE(has(note(Engine::kContainerd, "debian:12"), "lacks the capability \"resolve\""));
  const std::string digest = "debian@sha256:" + std::string(64, 'a');
  EXPECT_EQ(asked(Engine::kContainerd, digest).size(), 2u);
}

TEST_F(EnginesTest, ContainerdsOldMirrorsCountWithoutConfigPath) {
  write("/etc/containerd/config.toml",
        "[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"docker.io\"]\n"
        "endpoint = [\"http://box:5000\"]\n");
  EXPECT_EQ(asked(Engine::kContainerd, "debian").front(), "http://box:5000/v2 library/debian");
  write("/etc/containerd/config.toml",
        kConfigPath +
            "[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors."
            "\"docker.io\"]\nendpoint = [\"http://box:5000\"]\n");
  EXPECT_TRUE(has(note(Engine::kContainerd, "debian"), "both registry.mirrors and config_path"));
}

TEST_F(EnginesTest, BrokenTomlIsAnErrorWithItsLine) {
  write("/etc/containerd/config.toml", "version = 2\n[plugins\n");
  EXPECT_TRUE(has(error(Engine::kContainerd, "debian"), "/etc/containerd/config.toml line 2"));
}

// -- podman

const std::string kMirrorOfHub =
    "unqualified-search-registries = [\"docker.io\"]\n"
    "[[registry]]\nlocation = \"docker.io\"\n"
    "[[registry.mirror]]\nlocation = \"box:5000\"\ninsecure = true\n";

TEST_F(EnginesTest, PodmanAsksTheMirrorsOfTheSection) {
  write("/etc/containers/registries.conf", kMirrorOfHub);
  EXPECT_EQ(asked(Engine::kPodman, "debian"), (Asked{"http://box:5000/v2 library/debian", kHub}));
  EXPECT_FALSE(find(Engine::kPodman, "debian").endpoints[0].verifies);
  EXPECT_TRUE(find(Engine::kPodman, "debian").notes.empty());
}

TEST_F(EnginesTest, PodmanTakesTheLongestPrefix) {
  write("/etc/containers/registries.conf",
        kMirrorOfHub +
            "[[registry]]\nprefix = \"docker.io/library\"\nlocation = \"b.example/hub\"\n");
  EXPECT_EQ(asked(Engine::kPodman, "docker.io/library/debian"),
            Asked{"https://b.example/v2 hub/debian"});
  EXPECT_EQ(asked(Engine::kPodman, "docker.io/acme/debian").front(),
            "http://box:5000/v2 acme/debian");
}

TEST_F(EnginesTest, PodmansPatternsAreForHosts) {
  write("/etc/containers/registries.conf",
        "[[registry]]\nprefix = \"*.example.com\"\nlocation = \"box:5000\"\n");
  EXPECT_EQ(asked(Engine::kPodman, "a.example.com/tool"), Asked{"https://box:5000/v2 tool"});
  EXPECT_EQ(asked(Engine::kPodman, "example.com/tool"), Asked{"https://example.com/v2 tool"});
}

TEST_F(EnginesTest, PodmansLaterFilesAndTheUsersFilesCount) {
  write("/etc/containers/registries.conf", kMirrorOfHub);
  write("/etc/containers/registries.conf.d/50-box.conf",
        "[[registry]]\nlocation = \"docker.io\"\n[[registry.mirror]]\nlocation = \"c:1\"\n");
  EXPECT_EQ(asked(Engine::kPodman, "debian").front(), "https://c:1/v2 library/debian");
  home_ = "/home/ann";
  write("/home/ann/.config/containers/registries.conf",
        "unqualified-search-registries = [\"quay.io\"]");
  EXPECT_EQ(asked(Engine::kPodman, "debian").front(), "https://c:1/v2 library/debian");
  EXPECT_TRUE(has(note(Engine::kPodman, "debian"), "in quay.io first"));
}

TEST_F(EnginesTest, PodmansMirrorForDigestsServesNoTag) {
  write("/etc/containers/registries.conf",
        "[[registry]]\nlocation = \"docker.io\"\n"
        "[[registry.mirror]]\nlocation = \"box:5000\"\npull-from-mirror = \"digest-only\"\n");
  EXPECT_EQ(asked(Engine::kPodman, "docker.io/library/debian:12"), Asked{kHub});
  EXPECT_TRUE(has(note(Engine::kPodman, "docker.io/library/debian:12"), "serves only digest-only"));
}

TEST_F(EnginesTest, PodmansShortNamesNeedARegistryOrAnAlias) {
  write("/etc/containers/registries.conf", "[[registry]]\nlocation = \"docker.io\"\n");
  EXPECT_TRUE(has(note(Engine::kPodman, "debian"), "knows no registry for \"debian\""));
  write("/etc/containers/registries.conf.d/shortnames.conf",
        "[aliases]\n\"debian\" = \"docker.io/library/debian\"\n");
  EXPECT_TRUE(has(note(Engine::kPodman, "debian"), "has no mirror"));
}

TEST_F(EnginesTest, PodmansBlockedRegistryIsAnError) {
  write("/etc/containers/registries.conf",
        "[[registry]]\nlocation = \"docker.io\"\nblocked = true\n");
  EXPECT_EQ(error(Engine::kPodman, "debian"), "registries.conf blocks docker.io");
}

// -- buildkit

TEST_F(EnginesTest, BuildkitSpeaksToAMirrorAsTheMirrorsSectionSays) {
  write("/etc/buildkit/buildkitd.toml",
        "[registry.\"docker.io\"]\nmirrors = [\"box:5000/docker.io\", \"b.example\"]\n"
        "[registry.\"box:5000\"]\nhttp = true\n"
        "[registry.\"b.example\"]\ninsecure = true\nca = [\"/ca.pem\"]\n");
  EXPECT_EQ(asked(Engine::kBuildkit, "debian"),
            (Asked{"http://box:5000/v2/docker.io library/debian",
                   "https://b.example/v2 library/debian", kHub}));
  const auto endpoints = find(Engine::kBuildkit, "debian").endpoints;
  EXPECT_EQ(endpoints[0].ns, "docker.io");
  EXPECT_FALSE(endpoints[1].verifies);
  EXPECT_EQ(endpoints[1].ca_file, "/ca.pem");
}

TEST_F(EnginesTest, BuildkitWithoutMirrorsIsNoted) {
  EXPECT_TRUE(has(note(Engine::kBuildkit, "debian"), "doesn't exist"));
  write("/etc/buildkit/buildkitd.toml", "debug = true\n");
  EXPECT_TRUE(has(note(Engine::kBuildkit, "debian"), "has no mirrors in [registry.\"docker.io\"]"));
}

}  // namespace
}  // namespace layby::engines
