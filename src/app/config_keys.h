// SPDX-License-Identifier: Apache-2.0
//
// The table of configuration keys: each is declared once, with its path, what it
// holds, where it goes in Config, its bounds and one sentence. The parser, the
// reference, the JSON schema and `config show` all walk this table and no other.

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

namespace layby::app {

// What a value is, beyond its C++ type.
enum class Kind {
  kAddress,       // "0.0.0.0:5000"
  kDirectory,     // An absolute path.
  kSocketPath,    // An absolute path that fits in a sockaddr_un.
  kFile,          // An absolute path, or empty for none; may be missing.
  kReadableFile,  // An absolute path, or empty for none; load_config reads it.
  kUrl,           // An http or https address, perhaps with a path.
  kOptionalUrl,   // The same, or empty for none.
  kName,          // An upstream's name, as clients say it in ?ns=.
  kUser,          // A user's name, or empty for none.
  kLevel,         // "debug", "info", "warn", "error"
  kPatterns,      // A list of patterns of repository names.
  kCount,         // A whole number.
  kBytes,         // A size.
  kSizeLimit,     // A size, or a share of the file system.
  kDuration,
  kUpstreams,  // The list of upstreams; its members' paths begin with "upstreams[].".
};

// Where in a configuration a key's value is: of the upstreams it is one's turn.
struct Slot {
  Config& config;
  std::size_t upstream = 0;
};

template <typename T>
using Place = T& (*)(Slot);
using Field = std::variant<Place<std::string>, Place<int>, Place<std::uint64_t>, Place<SizeLimit>,
                           Place<std::chrono::milliseconds>, Place<std::vector<std::string>>,
                           Place<std::vector<UpstreamConfig>>>;

// Bounds in the field's own unit: a count, bytes, milliseconds.
struct Range {
  std::uint64_t least = 0;
  std::uint64_t most = std::numeric_limits<std::int64_t>::max();
};

struct Key {
  std::string_view path;  // "cache.max_bytes", "upstreams[].url"
  Kind kind;
  Field field;
  Range range;
  std::string_view text;
};

// In the order of the reference; a section's keys stand together.
const std::vector<Key>& config_keys();

inline constexpr std::string_view kUpstreamPrefix = "upstreams[].";
inline constexpr std::size_t kMaxSocketPath = 107;  // sockaddr_un::sun_path less its NUL

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_CONFIG_KEYS_H_
