// SPDX-License-Identifier: Apache-2.0
//
// The machine's id is in /etc/machine-id (machine-id(5)). The machine's id is confidential, so only
// 32 bits of a hash are used.

#include "app/box.h"

#include <unistd.h>

#include <array>
#include <random>

#include "layby/base/fd.h"
#include "layby/http/box_id.h"
#include "layby/oci/digest.h"

namespace layby::app {
namespace {

std::string machine() {
  constexpr std::uint64_t kMaxBytes = 4096;
  std::array<char, 256> host{};
  const bool named = ::gethostname(host.data(), host.size() - 1) == 0;
  const auto id = read_file("/etc/machine-id", kMaxBytes);
  return (id.ok() ? *id : std::string()) + (named ? host.data() : "");
}

}  // namespace

std::string new_box_id() {
  std::random_device random;
  return http::make_box_id((std::uint64_t{random()} << 32) | random());
}

std::uint32_t box_seed() {
  const std::string text = machine();
  if (text.empty()) return std::random_device()();
  const std::string hash = oci::Digest::of(text).str();
  // The text of the digest is "sha256:" and the hexadecimal digits.
  return static_cast<std::uint32_t>(std::stoul(hash.substr(hash.find(':') + 1, 8), nullptr, 16));
}

}  // namespace layby::app
