// SPDX-License-Identifier: Apache-2.0
//
// The keys. A bound keeps out what can't work (no time at all, a buffer of one byte)
// or what is surely a slip of the pen (a time-out of a year); taste is the reader's.

#include "app/config_keys.h"

namespace layby::app {
namespace {

constexpr std::uint64_t kSecond = 1'000;
constexpr std::uint64_t kMinute = 60 * kSecond;
constexpr std::uint64_t kHour = 60 * kMinute;
constexpr std::uint64_t kDay = 24 * kHour;
constexpr std::uint64_t kKiB = 1 << 10;
constexpr std::uint64_t kMiB = 1 << 20;
constexpr Range kAny{};
constexpr Range kWait{10, kHour};  // What one step of a conversation may take.

// Functions to the members of Config, of the object whose turn it is in one of its lists,
// and to such a list.
#define LAYBY_AT(member) \
  [](Slot s) -> auto& { return s.config.member; }
#define LAYBY_OF(objects, member) \
  [](Slot s) -> auto& { return s.config.objects[s.item].member; }
#define LAYBY_LIST(objects)                                                     \
  Objects {                                                                     \
    [](Slot s) { return s.config.objects.size(); }, [](Slot s, std::size_t n) { \
      s.config.objects.clear();                                                 \
      s.config.objects.resize(n);                                               \
    }                                                                           \
  }

}  // namespace

std::string_view objects_prefix(std::string_view path) {
  const std::size_t end = path.rfind("[].");
  return end == std::string_view::npos ? "" : path.substr(0, end + 3);
}

const Keys& config_keys() {
  static const Keys keys{
      {"listen", Kind::kAddress, LAYBY_AT(listen), kAny,
       "The address that clients connect to. Port 0 lets the system choose one."},
      {"data_dir", Kind::kDirectory, LAYBY_AT(data_dir), kAny,
       "Where blobs and the index are kept; made if it is missing."},
      {"socket", Kind::kSocketPath, LAYBY_AT(socket), kAny,
       "The Unix socket that `layby status` and the other commands talk to."},
      {"shutdown_grace", Kind::kDuration, LAYBY_AT(shutdown_grace), Range{0, kHour},
       "How long transfers under way may go on after SIGTERM."},
      {"helper_threads", Kind::kCount, LAYBY_AT(helper_threads), Range{1, 64},
       "Threads that read and write the disk for the one that serves."},
      {"prefetch", Kind::kFile, LAYBY_AT(prefetch), kAny,
       "The list of images to keep at hand; see docs/prefetch.md. A file that is missing is an "
       "empty list."},
      {"upstreams", Kind::kObjects, LAYBY_LIST(upstreams), Range{1},
       "The registries that are cached. The first is meant where a client names none."},

      {"tls.certificate_file", Kind::kReadableFile, LAYBY_AT(tls.certificate_file), kAny,
       "The certificate to serve HTTPS with (PEM), with its chain behind it. Empty serves none. "
       "A new one in its place is taken up within seconds."},
      {"tls.key_file", Kind::kReadableFile, LAYBY_AT(tls.key_file), kAny,
       "The key of that certificate (PEM, without a password)."},
      {"tls.listen", Kind::kAddress, LAYBY_AT(tls.listen), kAny,
       "The address that clients connect to by HTTPS, besides `listen`."},

      {"cache.max_bytes", Kind::kSizeLimit, LAYBY_AT(cache.max_bytes), Range{kMiB},
       "The most that the cache may take, as a size or as a share of its file system. What was "
       "used least goes first when more comes."},
      {"cache.min_free_bytes", Kind::kSizeLimit, LAYBY_AT(cache.min_free_bytes), kAny,
       "What the cache leaves free on its file system for others."},

      {"scrub.every", Kind::kDuration, LAYBY_AT(scrub.every), Range{0, 365 * kDay},
       "Each stored blob is read and verified again once in this time, slowly and in quiet "
       "hours; a damaged one is set aside and fetched again. 0 leaves it to `layby verify`."},
      {"scrub.max_rate", Kind::kBytes, LAYBY_AT(scrub.max_rate), Range{64 * kKiB},
       "How fast that reads, in bytes a second."},

      {"tags.fresh_for", Kind::kDuration, LAYBY_AT(tags.fresh_for), Range{0, 365 * kDay},
       "How long a tag is served before upstream is asked again whether it has moved. Asking "
       "is free of Docker Hub's pull limit."},
      {"tags.revalidate_timeout", Kind::kDuration, LAYBY_AT(tags.revalidate_timeout), kWait,
       "How long a pull waits for that answer before it gets the tag as it is known."},
      {"tags.stale_while_revalidate", Kind::kDuration, LAYBY_AT(tags.stale_while_revalidate),
       Range{0, 365 * kDay},
       "How much older than that a tag may be and still be given at once, while upstream is "
       "asked behind the pull's back."},
      {"tags.keep_fresh", Kind::kDuration, LAYBY_AT(tags.keep_fresh), Range{0, 365 * kDay},
       "Tags that were pulled within this time are checked before they are due, so that no pull "
       "waits for the answer. 0 checks no tag that isn't pulled."},
      {"tags.unknown_for", Kind::kDuration, LAYBY_AT(tags.unknown_for), Range{0, kHour},
       "How long it is remembered that upstream has no such tag or repository."},
      {"tags.rules", Kind::kObjects, LAYBY_LIST(tags.rules), kAny,
       "Images whose tags change less often, or more often. The first rule that matches counts. "
       "Digests never change and need no rule."},

      {"tags.rules[].images", Kind::kImagePatterns, LAYBY_OF(tags.rules, images), Range{1},
       "Patterns of repositories with tags, such as `python:3.12.*`; `*` stands for anything.",
       true},
      {"tags.rules[].fresh_for", Kind::kLifetime, LAYBY_OF(tags.rules, fresh_for),
       Range{0, 365 * kDay},
       "As `tags.fresh_for`, for these; `forever` for those that never change.", true},

      {"quota.reserve", Kind::kCountLimit, LAYBY_AT(quota.reserve), Range{0, 1'000'000},
       "What of Docker Hub's pull limit is kept for people: prefetch slows down before it and "
       "stops there."},

      {"upstreams[].name", Kind::kName, LAYBY_OF(upstreams, name), kAny,
       "The name by which clients ask for it (`?ns=`): its host, as in image names."},
      {"upstreams[].url", Kind::kUrl, LAYBY_OF(upstreams, url), kAny,
       "The registry's address. Must be written for any upstream but docker.io."},
      {"upstreams[].allow", Kind::kPatterns, LAYBY_OF(upstreams, allow), Range{1},
       "Patterns of the repositories that are served; `*` stands for anything. With an "
       "account, whoever reaches this cache can pull what the account may read and this "
       "allows."},
      {"upstreams[].deny", Kind::kPatterns, LAYBY_OF(upstreams, deny), kAny,
       "Patterns of repositories that are not served, whatever `allow` says."},
      {"upstreams[].username", Kind::kUser, LAYBY_OF(upstreams, username), kAny,
       "The account to pull with; empty pulls anonymously. Needs `password_file`."},
      {"upstreams[].password_file", Kind::kReadableFile, LAYBY_OF(upstreams, password_file), kAny,
       "A file with the account's password or access token and nothing else."},
      {"upstreams[].ca_file", Kind::kReadableFile, LAYBY_OF(upstreams, ca_file), kAny,
       "Certificates (PEM) to trust for this upstream besides the system's."},
      {"upstreams[].proxy", Kind::kOptionalUrl, LAYBY_OF(upstreams, proxy), kAny,
       "An HTTP proxy to reach it through; empty follows HTTPS_PROXY, http_proxy and NO_PROXY "
       "of the environment."},
      {"upstreams[].parent", Kind::kOptionalUrl, LAYBY_OF(upstreams, parent), kAny,
       "The address of another Layby that is asked first; while it is down, or hasn't what is "
       "asked for, the registry is."},
      {"upstreams[].parent_ca_file", Kind::kReadableFile, LAYBY_OF(upstreams, parent_ca_file), kAny,
       "Certificates (PEM) to trust for the parent besides the system's."},
      {"upstreams[].max_downloads", Kind::kCount, LAYBY_OF(upstreams, max_downloads),
       Range{1, 1'000}, "Blobs that come from it at one time; more wait for their turn."},
      {"upstreams[].requests_per_minute", Kind::kCount, LAYBY_OF(upstreams, requests_per_minute),
       Range{0, 1'000'000},
       "Requests stay below this, for Docker Hub blocks an address that asks too often. 0 sets no "
       "limit."},

      {"upstream.connect_timeout", Kind::kDuration, LAYBY_AT(upstream.connect_timeout), kWait,
       "How long a connection to a registry may take."},
      {"upstream.request_timeout", Kind::kDuration, LAYBY_AT(upstream.request_timeout), kWait,
       "How long an answer from a registry may take; for a blob, until its first byte."},
      {"upstream.stall_timeout", Kind::kDuration, LAYBY_AT(upstream.stall_timeout), kWait,
       "How long a blob may stand still before it is asked for again from there on."},
      {"upstream.max_rate", Kind::kRate, LAYBY_AT(upstream.max_rate), kAny,
       "How fast blobs may come from all registries together, in bytes a second, at least "
       "64KiB; those under way share it fairly. 0 sets no limit."},
      {"upstream.attempts", Kind::kCount, LAYBY_AT(upstream.attempts), Range{1, 100},
       "How often a registry is asked for one thing, the first time included."},
      {"upstream.windows", Kind::kObjects, LAYBY_LIST(upstream.windows), kAny,
       "Parts of the day with another `max_rate`. The first that it is in counts."},

      {"upstream.windows[].window", Kind::kWindow, LAYBY_OF(upstream.windows, window), kAny,
       "Which part, in the time of this machine: `01:00-05:00`; it may go over midnight.", true},
      {"upstream.windows[].max_rate", Kind::kRate, LAYBY_OF(upstream.windows, max_rate), kAny,
       "How fast blobs may come then. 0 sets no limit.", true},

      {"limits.max_connections", Kind::kCount, LAYBY_AT(limits.max_connections),
       Range{1, 1'000'000}, "Client connections at one time; more are closed at once."},
      {"limits.max_connections_per_client", Kind::kCount,
       LAYBY_AT(limits.max_connections_per_client), Range{1, 1'000'000},
       "Connections of one IP address at one time; more are closed at once."},
      {"limits.header_bytes", Kind::kBytes, LAYBY_AT(limits.header_bytes), Range{kKiB, kMiB},
       "The largest request line with its headers."},
      {"limits.request_timeout", Kind::kDuration, LAYBY_AT(limits.request_timeout), kWait,
       "How long a client may take to send a whole request."},
      {"limits.idle_timeout", Kind::kDuration, LAYBY_AT(limits.idle_timeout), Range{10, kDay},
       "How long a connection may wait for its next request."},
      {"limits.stall_timeout", Kind::kDuration, LAYBY_AT(limits.stall_timeout), Range{10, kDay},
       "How long a client may take no byte of an answer."},

      {"sockets.send_buffer_bytes", Kind::kBytes, LAYBY_AT(sockets.send_buffer_bytes),
       Range{4 * kKiB, 64 * kMiB},
       "Kernel memory for what is on its way to one client (SO_SNDBUF). More helps one client "
       "on a fast link with a long delay; less helps very many at once."},
      {"sockets.notsent_lowat_bytes", Kind::kBytes, LAYBY_AT(sockets.notsent_lowat_bytes),
       Range{4 * kKiB, 64 * kMiB}, "How much of that may wait unsent (TCP_NOTSENT_LOWAT)."},

      {"log.level", Kind::kLevel, LAYBY_AT(log_level), kAny,
       "What is logged to stderr: debug, info, warn or error."},
  };
  return keys;
}

#undef LAYBY_AT
#undef LAYBY_OF
#undef LAYBY_LIST

}  // namespace layby::app
