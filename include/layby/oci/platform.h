// SPDX-License-Identifier: Apache-2.0
//
// Platforms as image indexes name them: os/architecture[/variant].

#ifndef LAYBY_OCI_PLATFORM_H_
#define LAYBY_OCI_PLATFORM_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace layby::oci {

struct Platform {
  std::string os;
  std::string architecture;
  std::string variant;

  bool operator==(const Platform&) const = default;
};

// Parses "linux/amd64" or "linux/arm64/v8"; returns nullopt for text of any other form.
std::optional<Platform> parse_platform(std::string_view text);
std::string to_string(const Platform& platform);

// Whether a client of platform `wanted` pulls an image for `offered`. A missing variant
// means the default variant: arm64/v8, arm/v7, amd64/v1 (containerd's platforms.Normalize).
bool satisfies(const Platform& offered, const Platform& wanted);

// The platforms whose images a client of platform `wanted` can run, best first, as containerd
// chooses them (platforms.Only). The first is `wanted`. For instance, arm/v7 is followed by arm/v6
// and arm/v5, amd64/v3 by amd64/v2, amd64/v1 and 386, and arm64 by arm/v8, arm/v7, ...
std::vector<Platform> runnable_platforms(const Platform& wanted);

}  // namespace layby::oci

#endif  // LAYBY_OCI_PLATFORM_H_
