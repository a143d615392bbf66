// SPDX-License-Identifier: Apache-2.0
//
// Answers the server's requests for manifests, blobs and lists from a Store and the Upstreams.
// Simultaneous requests for the same content share one upstream request. Manifests are verified
// before they are served. A blob is verified before its last byte is served. When upstream
// fails, cached content is served. Lives on the loop thread. src/cache/DESIGN.md has the states.

#ifndef LAYBY_CACHE_CACHE_H_
#define LAYBY_CACHE_CACHE_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layby/base/async.h"
#include "layby/base/clock.h"
#include "layby/base/counters.h"
#include "layby/base/ip_address.h"
#include "layby/base/result.h"
#include "layby/cache/rules.h"
#include "layby/cache/store.h"
#include "layby/cache/upstream.h"
#include "layby/events/events.h"
#include "layby/oci/digest.h"
#include "layby/oci/reference.h"

namespace layby::cache {

// An upstream with its name and the repositories that it serves.
struct Origin {
  std::string name;
  std::vector<std::string> allow;                  // Patterns for policy::allows().
  std::shared_ptr<Upstream> upstream;              // Not null.
  std::vector<std::string> deny{};                 // Patterns that take precedence over `allow`.
  bool is_private = false;                         // Layby logs in to the upstream with an account.
  int connections_per_blob = kConnectionsPerBlob;  // At least 1.

  bool serves(const std::string& repository) const;
  // Whether the content of `repository` may be private. Docker Hub's official
  // images are public.
  bool keeps_private(const std::string& repository) const;
};

enum class ManifestSource {
  kHit,      // From the store, without a check of the tag.
  kChecked,  // From the store, after upstream named the tag's digest.
  kFetched,  // From upstream.
  kStale,    // From the store, because upstream failed or can't be asked.
  kHeld,     // From the store: the tag moved, and its new image isn't whole yet.
};

struct ManifestAnswer {
  oci::Digest digest;
  std::string media_type;
  std::uint64_t size_bytes = 0;
  // Null only when a client's HEAD was answered from upstream's answer to a HEAD.
  std::shared_ptr<const std::string> bytes;
  ManifestSource source = ManifestSource::kHit;
  // For a tag: the time since upstream last confirmed the tag.
  std::optional<std::chrono::seconds> age;
};

// Reads a blob from a whole file, or from a file that still grows. The bytes from the last
// consumed() offset up to readable_bytes() may be sent; part_at() says where these bytes are. The
// last byte of a blob becomes readable only when the blob's digest matches. The exception is a
// reader of a small range far beyond the bytes that came in order.
class BlobReader : public Operation {
 public:
  class Listener {
   public:
    virtual ~Listener() = default;
    // readable_bytes() has grown. May destroy the reader.
    virtual void on_readable() = 0;
    // No more bytes will come. May destroy the reader.
    virtual void on_reader_failed(const Error& error) = 0;
  };

  // Where the readable byte at `offset` is. `offset` is at least the last consumed() offset,
  // because an unkept blob drops the bytes below that offset.
  virtual BlobPart part_at(std::uint64_t offset) const = 0;
  // The caller will read the bytes [first, end), and no others. Called at most once, in place of
  // the first consumed().
  virtual void will_read(std::uint64_t first, std::uint64_t /*end*/) { consumed(first); }
  // The caller will not ask for bytes below `offset` again. The first call says where reading
  // begins; offsets never decrease.
  virtual void consumed(std::uint64_t offset) = 0;
  // Whether the blob turned out to be damaged. No more bytes of a damaged blob may be sent.
  virtual bool revoked() const = 0;
  virtual std::uint64_t size_bytes() const = 0;
  // The end of the bytes that can be read from the last consumed() offset on.
  virtual std::uint64_t readable_bytes() const = 0;
  // Whether the bytes come from a fill that was in flight when the reader was opened.
  virtual bool from_fill() const = 0;
  // Whether the reader's bytes cause no traffic on the link to upstream, because they come from the
  // store, or from a fill that another client began.
  virtual bool spares_link() const { return !from_fill(); }
  // Sets the reader's only listener, which hears of later changes; null removes the listener.
  virtual void listen(Listener* listener) = 0;
};

struct FillStatus {
  std::string upstream;
  std::string repository;
  std::string digest;
  std::string_view state;
  std::uint64_t written_bytes = 0;
  std::optional<std::uint64_t> size_bytes;
  int readers = 0;
  bool kept = true;         // The blob will be stored.
  bool background = false;  // No client waits for the blob.
};

// A tag that moved to another image.
struct TagMove {
  TagKey tag;
  oci::Digest from;
  oci::Digest to;
  WallTime seen_at;
  // How many bytes of the new image are missing; set when a prefetch run knows them.
  std::optional<std::uint64_t> fetch_bytes;
};

class Prefetcher;

class Cache {
 public:
  template <typename T>
  using Done = std::function<void(Result<T>)>;

  // The referenced objects outlive the cache. There is at least one origin, and each has an
  // upstream.
  Cache(Rules rules, std::vector<Origin> origins, Store& store, Timers& timers, const Clock& clock,
        Counters& counters, events::Events& events);
  ~Cache();

  // Replaces the rules. Work under way goes on by the new rules.
  void set_rules(Rules rules);
  // Replaces the origins. There is at least one origin, and all names differ. References to an
  // origin stay valid as long as the cache exists, even if the origin isn't in `origins`. A request
  // keeps the upstream to which the request was sent. A former upstream is destroyed after its last
  // request. A request to an origin that isn't in `origins` fails.
  void set_origins(std::vector<Origin> origins);

  // Finds the origin whose name is `ns`. All names of Docker Hub find the same origin. An empty
  // `ns` finds the first origin. Returns null when no origin has the name.
  const Origin* find_origin(std::string_view ns) const;

  // A call that takes `done` may call `done` before it returns, and then returns a null handle.
  // When the handle is destroyed, `done` is dropped, and work that is shared with other callers
  // goes on. Errors are the errors of Upstream and Store. `client` is the counted_address() of the
  // asking client, or no address if the box itself asks. Clients share upstream fairly.

  // `head` is set when only the headers are wanted.
  Handle get_manifest(const Origin& origin, const std::string& repository,
                      const oci::Reference& reference, bool head, Done<ManifestAnswer> done,
                      const IpAddress& client = {});
  // Answers as soon as the blob's size is known.
  Handle open_blob(const Origin& origin, const std::string& repository, const oci::Digest& digest,
                   Done<std::unique_ptr<BlobReader>> done, const IpAddress& client = {});
  // Asks for the size of a blob without fetching the blob. The answer has no size when upstream
  // states no size.
  Handle head_blob(const Origin& origin, const std::string& repository, const oci::Digest& digest,
                   Done<BlobHead> done, const IpAddress& client = {});
  // Upstream's list of tags. If upstream fails without a refusal and there are cached tags, the
  // list has the cached tags.
  Handle get_tags(const Origin& origin, const std::string& repository, const TagPageRequest& page,
                  Done<TagPage> done, const IpAddress& client = {});
  // Asks for upstream's index of referrers. The answer is an empty string when upstream answers
  // 404.
  Handle get_referrers(const Origin& origin, const std::string& repository,
                       const oci::Digest& digest, const std::string& artifact_type,
                       Done<std::string> done, const IpAddress& client = {});

  // Fetches a blob in the background, into the store.
  void fetch_blob(const Origin& origin, const std::string& repository, const oci::Digest& digest);

  // The limit of all blobs together, in bytes a second; 0 for no limit. On a thin link, no layer is
  // fetched ahead of the clients.
  void set_link_rate(std::uint64_t max_rate);

  // Notes that `client` begins to read the whole of a stored blob. If the same client read the
  // whole blob a few minutes earlier, the store verifies the blob.
  void note_whole_pull(const IpAddress& client, const oci::Digest& digest);

  Prefetcher& prefetcher();

  std::vector<FillStatus> fills() const;
  // Whether new blobs pass through without being stored, because the store has no room.
  bool full() const;
  std::vector<const Origin*> origins() const;
  // The last moves of tags, oldest first.
  std::vector<TagMove> moves() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_CACHE_H_
