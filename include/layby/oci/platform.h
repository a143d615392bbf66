// SPDX-License-Identifier: Apache-2.0
//
// Platforms as image indexes name them: os/architecture[/variant].

#ifndef LAYBY_OCI_PLATFORM_H_
#define LAYBY_OCI_PLATFORM_H_

#include <optional>
#include <string>
#include <string_view>

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

}  // namespace layby::oci

#endif  // LAYBY_OCI_PLATFORM_H_
