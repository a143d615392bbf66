// SPDX-License-Identifier: Apache-2.0
//
// The tables of keys for the configuration and for the prefetch list. Each key is declared once,
// with its path, its kind, its place, its range and one sentence. The parser, the documents of the
// keys, the JSON schema and `config show` all use these two tables. Invariants: a list of objects
// is declared before the keys of its objects, and the objects of a list contain no list of objects.

#ifndef LAYBY_SRC_APP_CONFIG_KEYS_H_
#define LAYBY_SRC_APP_CONFIG_KEYS_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "layby/app/config.h"
#include "layby/app/prefetch_list.h"

namespace layby::app {

// What a value is, beyond its C++ type.
enum class Kind {
  kAddress,         // "0.0.0.0:5000"
  kDirectory,       // An absolute path.
  kSocketPath,      // An absolute path that fits in a sockaddr_un.
  kFile,            // An absolute path, or empty; the file may be missing.
  kReadableFile,    // An absolute path, or empty; load_config checks the file.
  kUrl,             // An http or https address, perhaps with a path.
  kOptionalUrl,     // An http or https address, or empty for none.
  kName,            // An upstream's name, as clients send it in ?ns=.
  kUser,            // A user's name, or empty for none.
  kLevel,           // "debug", "info", "warn", "error"
  kPatterns,        // A list of patterns of repository names.
  kImagePatterns,   // A list of patterns of repositories with tags.
  kTagPatterns,     // A list of patterns of tags.
  kPlatforms,       // A list of platforms.
  kHosts,           // A list of host names.
  kNetworks,        // A list of IP networks and addresses.
  kImage,           // An image's name without a tag.
  kWindow,          // "01:00-05:00"
  kOptionalWindow,  // A window, or empty for the whole day.
  kFlag,
  kCount,       // A whole number.
  kCountLimit,  // A whole number, or a share.
  kBytes,       // A size.
  kRate,        // A size a second; 0 for no limit.
  kSizeLimit,   // A size, or a share of the file system.
  kDuration,
  kLifetime,  // A duration, or "forever".
  kObjects,   // A list of objects. The paths of their keys begin with the list's path and "[].".
};

// The documents that the keys describe, and the index of the current object of a list.
struct Slot {
  Config& config;
  PrefetchListConfig& list;
  std::size_t item = 0;
};

template <typename T>
using Place = T& (*)(Slot);

// A list of objects of any type.
struct Objects {
  std::size_t (*count)(Slot);
  // Replaces the list by a list of the given length, made of default objects.
  void (*make)(Slot, std::size_t);
};

using Field =
    std::variant<Place<std::string>, Place<bool>, Place<int>, Place<std::uint64_t>,
                 Place<policy::SpaceLimit>, Place<policy::QuotaReserve>,
                 Place<std::chrono::milliseconds>, Place<std::vector<std::string>>, Objects>;

// Bounds in the field's own unit: a count, bytes, milliseconds, the length of a list.
struct Range {
  std::uint64_t least = 0;
  std::uint64_t most = std::numeric_limits<std::int64_t>::max();
};

inline constexpr Range kAny{};
inline constexpr std::uint64_t kSecond = 1'000;
inline constexpr std::uint64_t kMinute = 60 * kSecond;
inline constexpr std::uint64_t kHour = 60 * kMinute;
inline constexpr std::uint64_t kDay = 24 * kHour;

struct Key {
  std::string_view path;  // "cache.max_bytes", "upstreams[].url"
  Kind kind;
  Field field;
  Range range;
  std::string_view text;
  bool required = false;       // Each object of the list must have this key.
  bool needs_restart = false;  // A change takes effect at the next start.
};
using Keys = std::vector<Key>;

// The keys are in the order in which the documents list them. The keys of a section are adjacent.
const Keys& config_keys();
const Keys& prefetch_keys();

// "upstreams[]." for a key of the objects in upstreams, "" for a key outside of lists.
std::string_view objects_prefix(std::string_view path);

inline constexpr std::uint64_t kLeastRate = 64 << 10;
inline constexpr std::size_t kMaxSocketPath = 107;  // sockaddr_un::sun_path without its NUL.

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_CONFIG_KEYS_H_
