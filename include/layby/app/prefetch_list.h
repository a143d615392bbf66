// SPDX-License-Identifier: Apache-2.0
//
// The list of images that are kept at hand: a JSON file with comments, beside the
// configuration and read as it is (layby/app/config.h). A file that isn't there is an
// empty list.

#ifndef LAYBY_APP_PREFETCH_LIST_H_
#define LAYBY_APP_PREFETCH_LIST_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "layby/app/config.h"

namespace layby::app {

struct PrefetchImageConfig {
  // As `docker pull` has it, without a tag: "python", "acme/tool", "ghcr.io/acme/tool".
  std::string image;
  std::vector<std::string> tags{"latest"};            // policy::TagPattern
  std::vector<std::string> platforms{"linux/amd64"};  // oci::parse_platform
  bool attestations = false;
  bool pin = false;
  int line = 0;  // Of `image` in the file.
};

struct PrefetchListConfig {
  std::chrono::milliseconds every{std::chrono::hours(6)};
  std::string window;          // policy::DayWindow; empty for the whole day.
  std::uint64_t max_rate = 0;  // Bytes a second; 0 for no limit.
  int concurrency = 2;         // Blobs at a time.
  std::chrono::milliseconds hold{std::chrono::hours(24)};
  std::vector<PrefetchImageConfig> images;
};

// Reads a list. All faults of the text, at once; none means `list` is whole.
struct PrefetchListOutcome {
  PrefetchListConfig list;
  std::vector<ConfigFault> faults;
};
PrefetchListOutcome parse_prefetch_list(std::string_view json);

// The same for a file; an empty list where there is none. Blocks on the disk.
PrefetchListOutcome load_prefetch_list(const std::string& path);

// What of the list a configuration doesn't serve: unknown upstreams, and repositories that
// they don't allow.
std::vector<ConfigFault> unserved(const PrefetchListConfig& list, const Config& config);

// The reference of the list's keys, in Markdown, and its JSON schema.
std::string prefetch_list_reference();
std::string prefetch_list_schema();

}  // namespace layby::app

#endif  // LAYBY_APP_PREFETCH_LIST_H_
