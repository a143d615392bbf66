// SPDX-License-Identifier: Apache-2.0
//
// The keys of the configuration. A range excludes values that can't work (a buffer of one byte)
// and values that are surely typing mistakes (a timeout of a year). Other values are allowed.

#include "app/config_keys.h"

namespace layby::app {
namespace {

constexpr std::uint64_t kKiB = 1 << 10;
constexpr std::uint64_t kMiB = 1 << 20;
constexpr bool kOptional = false;
constexpr bool kAtStart = true;
constexpr Range kWait{10, kHour};  // A timeout for one step of an exchange.

// LAYBY_AT(member) gives access to `member` of Config. LAYBY_OF(objects, member) gives access to
// `member` of the element with index s.item in Config's list `objects`. LAYBY_LIST(objects) gives
// access to the list itself.
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
      {"data_dir", Kind::kDirectory, LAYBY_AT(store.data_dir), kAny,
       "The folder of the blobs and the index. It is created if it is missing.", kOptional,
       kAtStart},
      {"socket", Kind::kSocketPath, LAYBY_AT(socket), kAny,
       "The Unix socket that `layby status` and the other commands talk to."},
      {"drain_for", Kind::kDuration, LAYBY_AT(drain_for), Range{0, kHour},
       "How long `/healthz` says 503 after SIGTERM or `layby drain` while everything is still "
       "served, so that load balancers send the next requests elsewhere. Then `shutdown_grace` "
       "begins."},
      {"shutdown_grace", Kind::kDuration, LAYBY_AT(shutdown_grace), Range{0, kHour},
       "How long running transfers may continue after the listeners have closed."},
      {"helper_threads", Kind::kCount, LAYBY_AT(helper_threads), Range{1, 64},
       "Number of threads that read and write the disk for the thread that serves. Half of them "
       "may "
       "do long work, such as checking blobs; with 1, another thread does it.",
       kOptional, kAtStart},
      {"prefetch", Kind::kFile, LAYBY_AT(prefetch), kAny,
       "The file with the list of images to fetch in advance; see docs/prefetch.md. A missing file "
       "is an empty list."},
      {"hosts", Kind::kHosts, LAYBY_AT(hosts), kAny,
       "More names under which the pages such as `/stats` are served. The box's addresses, its "
       "host "
       "name, that name with `.local` and `localhost` always work; any other name may be a web "
       "page's trick. Images are served under every name."},
      {"trusted_proxies", Kind::kNetworks, LAYBY_AT(limits.trusted_proxies), kAny,
       "The networks of the proxies in front of this cache, such as `10.0.0.0/8`, and of the "
       "Laybys "
       "whose parent this cache is. From these, the client is the address that the PROXY protocol "
       "(version 1 or 2) or `X-Forwarded-For` names, and the proxies themselves have no limit of a "
       "client."},
      {"upstreams", Kind::kObjects, LAYBY_LIST(upstreams), Range{1},
       "The registries that are cached. A request that names no registry goes to the first."},

      {"tls.certificate_file", Kind::kReadableFile, LAYBY_AT(tls.certificate_file), kAny,
       "The certificate for HTTPS (PEM), followed by its chain. Empty turns HTTPS off. A changed "
       "file takes effect within seconds."},
      {"tls.key_file", Kind::kReadableFile, LAYBY_AT(tls.key_file), kAny,
       "The key of the certificate (PEM, without a password)."},
      {"tls.listen", Kind::kAddress, LAYBY_AT(tls.listen), kAny,
       "The address that clients connect to over HTTPS, in addition to `listen`."},

      {"cache.max_bytes", Kind::kSizeLimit, LAYBY_AT(rules.space.max_bytes), Range{kMiB},
       "The largest size of the cache, as a size or as a share of its file system. When the cache "
       "is full, the least used content is evicted first."},
      {"cache.min_free_bytes", Kind::kSizeLimit, LAYBY_AT(rules.space.min_free_bytes), kAny,
       "Space on its file system that the cache leaves free for other programs."},
      {"cache.pull_ahead", Kind::kFlag, LAYBY_AT(rules.pull_ahead), kAny,
       "Whether the later layers of an image are fetched while a client pulls the image and "
       "doesn't use the link. Below an `upstream.max_rate` of 2MB/s no layer is fetched ahead."},

      {"scrub.every", Kind::kDuration, LAYBY_AT(store.scrub_every), Range{0, 365 * kDay},
       "How often each stored blob is read and verified again, slowly and in quiet hours. A "
       "damaged blob is set aside and fetched again. With 0, only `layby verify` verifies blobs.",
       kOptional, kAtStart},
      {"scrub.max_rate", Kind::kBytes, LAYBY_AT(store.scrub_rate), Range{64 * kKiB},
       "How fast stored blobs are read to verify them, in bytes a second.", kOptional, kAtStart},

      {"tags.fresh_for", Kind::kDuration, LAYBY_AT(rules.fresh_for), Range{0, 365 * kDay},
       "How long a tag is served before upstream is asked again whether the tag has moved. This "
       "check doesn't count against Docker Hub's pull limit."},
      {"tags.revalidate_timeout", Kind::kDuration, LAYBY_AT(rules.revalidate_timeout), kWait,
       "How long a pull waits for the check of a tag before it gets the cached tag."},
      {"tags.stale_while_revalidate", Kind::kDuration, LAYBY_AT(rules.stale_while_revalidate),
       Range{0, 365 * kDay},
       "How long after `fresh_for` a tag is still served at once, while upstream is asked in the "
       "background."},
      {"tags.keep_fresh", Kind::kDuration, LAYBY_AT(rules.keep_fresh), Range{0, 365 * kDay},
       "A tag that is pulled again after its `fresh_for` is in use: as long as the tag was pulled "
       "within this time, it is checked in advance, so that no pull waits for the check. With 0, a "
       "tag is checked only when it is pulled."},
      {"tags.unknown_for", Kind::kDuration, LAYBY_AT(rules.unknown_for), Range{0, kHour},
       "How long Layby remembers that upstream doesn't have a tag or a repository."},
      {"tags.rules", Kind::kObjects, LAYBY_LIST(rules.tag_rules), kAny,
       "Images whose tags change more often or less often than others. The first rule that "
       "matches counts. Digests never change and need no rule."},

      {"tags.rules[].images", Kind::kImagePatterns, LAYBY_OF(rules.tag_rules, images), Range{1},
       "Patterns of repositories with tags, such as `python:3.12.*`; `*` stands for anything.",
       true},
      {"tags.rules[].fresh_for", Kind::kLifetime, LAYBY_OF(rules.tag_rules, fresh_for),
       Range{0, 365 * kDay},
       "Replaces `tags.fresh_for` for these images; `forever` for tags that never change.", true},

      {"quota.reserve", Kind::kCountLimit, LAYBY_AT(quota_reserve), Range{0, 1'000'000},
       "The part of Docker Hub's pull limit that is reserved for people. Prefetch slows down near "
       "the reserve and stops at it."},

      {"upstreams[].name", Kind::kName, LAYBY_OF(upstreams, name), kAny,
       "The name that clients use for the registry (`?ns=`): its host, as in image names."},
      {"upstreams[].url", Kind::kUrl, LAYBY_OF(upstreams, url), kAny,
       "The registry's address. Required for every upstream but docker.io."},
      {"upstreams[].allow", Kind::kPatterns, LAYBY_OF(upstreams, allow), Range{1},
       "Patterns of the repositories that are served; `*` stands for anything. With an "
       "account, everybody who reaches this cache can pull all allowed repositories that the "
       "account may read."},
      {"upstreams[].deny", Kind::kPatterns, LAYBY_OF(upstreams, deny), kAny,
       "Patterns of repositories that are not served, whatever `allow` says."},
      {"upstreams[].username", Kind::kUser, LAYBY_OF(upstreams, username), kAny,
       "The account to pull with; empty pulls anonymously. Needs `password_file`."},
      {"upstreams[].password_file", Kind::kReadableFile, LAYBY_OF(upstreams, password_file), kAny,
       "A file with the account's password or access token and nothing else."},
      {"upstreams[].ca_file", Kind::kReadableFile, LAYBY_OF(upstreams, ca_file), kAny,
       "Certificates (PEM) to trust for this upstream besides the system's."},
      {"upstreams[].proxy", Kind::kOptionalUrl, LAYBY_OF(upstreams, proxy), kAny,
       "The HTTP proxy for this upstream. If empty, the environment variables HTTPS_PROXY, "
       "http_proxy and NO_PROXY apply."},
      {"upstreams[].parent", Kind::kOptionalUrl, LAYBY_OF(upstreams, parent), kAny,
       "The address of another Layby, which is asked first. While the parent is down, or if it "
       "doesn't have the content, the registry is asked. The parent is told the addresses of "
       "clients (`X-Forwarded-For`); see docs/parents.md."},
      {"upstreams[].parent_ca_file", Kind::kReadableFile, LAYBY_OF(upstreams, parent_ca_file), kAny,
       "Certificates (PEM) to trust for the parent besides the system's."},
      {"upstreams[].allow_private_redirects", Kind::kFlag,
       LAYBY_OF(upstreams, allow_private_redirects), kAny,
       "Whether the registry may send Layby to private and loopback addresses, by redirects and "
       "token servers. A registry that is itself at a private address may use private addresses "
       "without this key; a registry at a loopback address may use both. Requests through a proxy "
       "are left to the proxy."},
      {"upstreams[].max_downloads", Kind::kCount, LAYBY_OF(upstreams, max_downloads),
       Range{1, 1'000},
       "How many blobs are downloaded from this upstream at one time; further blobs wait. Clients "
       "share this number."},
      {"upstreams[].connections_per_blob", Kind::kCount, LAYBY_OF(upstreams, connections_per_blob),
       Range{1, 16},
       "The most connections over which one blob is downloaded. Layby begins with one, and adds "
       "connections while they make the download clearly faster. For five minutes after that, "
       "further blobs begin with as many. 1 turns this off."},
      {"upstreams[].requests_per_minute", Kind::kCount, LAYBY_OF(upstreams, requests_per_minute),
       Range{0, 1'000'000},
       "The most requests in a minute to this upstream. Docker Hub blocks an address that sends "
       "too many. One client may use three quarters of what the others leave. 0 sets no limit."},

      {"upstream.connect_timeout", Kind::kDuration, LAYBY_AT(registry.connect_timeout), kWait,
       "How long connecting to a registry may take."},
      {"upstream.request_timeout", Kind::kDuration, LAYBY_AT(rules.request_timeout), kWait,
       "How long an answer from a registry may take; for a blob, until its first byte."},
      {"upstream.stall_timeout", Kind::kDuration, LAYBY_AT(registry.stall_timeout), kWait,
       "How long a blob download may stall before the rest of the blob is requested again."},
      {"upstream.max_rate", Kind::kRate, LAYBY_AT(upstream.max_rate), kAny,
       "The rate of all blob downloads together, in bytes a second, at least 64KiB. Running "
       "downloads share it fairly. 0 sets no limit."},
      {"upstream.attempts", Kind::kCount, LAYBY_AT(rules.retry.max_attempts), Range{1, 100},
       "How often a request to a registry is tried, the first attempt included."},
      {"upstream.windows", Kind::kObjects, LAYBY_LIST(upstream.windows), kAny,
       "Parts of the day with another `max_rate`. The first window that contains the time counts."},

      {"upstream.windows[].window", Kind::kWindow, LAYBY_OF(upstream.windows, window), kAny,
       "The part of the day, in this machine's local time: `01:00-05:00`. It may cross midnight.",
       true},
      {"upstream.windows[].max_rate", Kind::kRate, LAYBY_OF(upstream.windows, max_rate), kAny,
       "The rate of all blob downloads in this window. 0 sets no limit.", true},

      {"limits.max_connections", Kind::kCount, LAYBY_AT(limits.max_connections),
       Range{1, 1'000'000},
       "How many client connections may be open; further connections are closed at once."},
      {"limits.max_connections_per_client", Kind::kCount,
       LAYBY_AT(limits.max_connections_per_client), Range{1, 1'000'000},
       "How many connections one client may have open; further connections are closed at once. A "
       "client is an IPv4 address or an IPv6 network of 64 bits."},
      {"limits.rate_per_client", Kind::kCount, LAYBY_AT(limits.rate_per_client),
       Range{0, 1'000'000},
       "How many requests one client may send in a minute; further requests are answered 429 with "
       "Retry-After. One pull needs a request for each layer and a few more. 0 sets no limit."},
      {"limits.burst_per_client", Kind::kCount, LAYBY_AT(limits.burst_per_client),
       Range{1, 1'000'000},
       "How many requests a client that was quiet may send at once, with `rate_per_client`."},
      {"limits.header_bytes", Kind::kBytes, LAYBY_AT(limits.header_bytes), Range{kKiB, kMiB},
       "The largest size of a request line and its headers together."},
      {"limits.request_timeout", Kind::kDuration, LAYBY_AT(limits.request_timeout), kWait,
       "How long a client may take to send the head of a request."},
      {"limits.idle_timeout", Kind::kDuration, LAYBY_AT(limits.idle_timeout), Range{10, kDay},
       "How long a connection may wait for its next request."},
      {"limits.stall_timeout", Kind::kDuration, LAYBY_AT(limits.stall_timeout), Range{10, kDay},
       "How long a client may go without taking a byte of an answer."},

      {"sockets.send_buffer_bytes", Kind::kBytes, LAYBY_AT(limits.send_buffer_bytes),
       Range{0, 64 * kMiB},
       "Kernel memory for data on its way to one client (SO_SNDBUF). 0 lets the memory follow the "
       "path to the client: it is 256KiB for a client near by, and grows for a client far away. A "
       "fixed small size helps a box with little memory."},
      {"sockets.notsent_lowat_bytes", Kind::kBytes, LAYBY_AT(limits.notsent_lowat_bytes),
       Range{4 * kKiB, 64 * kMiB},
       "How much data in the send buffer may wait unsent (TCP_NOTSENT_LOWAT)."},

      {"log.level", Kind::kLevel, LAYBY_AT(log_level), kAny,
       "The lowest level that is logged to stderr: debug, info, warn or error."},
  };
  return keys;
}

#undef LAYBY_AT
#undef LAYBY_OF
#undef LAYBY_LIST

}  // namespace layby::app
