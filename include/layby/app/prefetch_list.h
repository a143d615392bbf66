// SPDX-License-Identifier: Apache-2.0
//
// The prefetch list names the images that are fetched before anyone asks for them. The list is a
// JSON file with comments and is read like the configuration (layby/app/config.h). A missing file
// is an empty list.

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
  // A name as for `docker pull`, without a tag: "python", "acme/tool", "ghcr.io/acme/tool".
  std::string image;
  std::vector<std::string> tags{"latest"};            // policy::TagPattern
  std::vector<std::string> platforms{"linux/amd64"};  // oci::parse_platform
  bool attestations = false;
  bool pin = false;
  int line = 0;  // The line of `image` in the file.
};

struct PrefetchListConfig {
  std::chrono::milliseconds every{std::chrono::hours(6)};
  std::string window;  // As policy::DayWindow reads it; empty for the whole day.
  std::chrono::milliseconds splay{std::chrono::minutes(10)};
  std::uint64_t max_rate = 0;  // Bytes a second; 0 for no limit.
  int concurrency = 2;         // The most blobs that are fetched at a time.
  std::chrono::milliseconds hold{std::chrono::hours(24)};
  std::vector<PrefetchImageConfig> images;
};

// A list and all its faults. `list` is complete if there are no faults.
struct PrefetchListOutcome {
  PrefetchListConfig list;
  std::vector<ConfigFault> faults;
};
PrefetchListOutcome parse_prefetch_list(std::string_view json);

// Reads a list from a file. A missing file is an empty list. Blocks on the disk.
PrefetchListOutcome load_prefetch_list(const std::string& path);

// Returns a fault for each image that the configuration doesn't serve, because the image's
// upstream is unknown or doesn't allow the repository.
std::vector<ConfigFault> unserved(const PrefetchListConfig& list, const Config& config);

// The description of the list's keys in Markdown, and the list's JSON schema.
std::string prefetch_list_reference();
std::string prefetch_list_schema();

}  // namespace layby::app

#endif  // LAYBY_APP_PREFETCH_LIST_H_
