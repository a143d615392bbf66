// SPDX-License-Identifier: Apache-2.0
//
// The use cases of a pull, over a Store and the Upstreams: what the server asks for
// when a client asks for it. Everybody who wants the same thing at the same time
// shares one upstream request; what comes from upstream is verified before it is
// given out; what upstream can't give now is given from the store. All on the loop
// thread. DESIGN.md beside the sources has the states.

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

#include "layby/base/clock.h"
#include "layby/base/counters.h"
#include "layby/base/result.h"
#include "layby/cache/async.h"
#include "layby/cache/store.h"
#include "layby/cache/upstream.h"
#include "layby/oci/digest.h"
#include "layby/oci/reference.h"
#include "layby/policy/admission.h"
#include "layby/policy/freshness.h"
#include "layby/policy/retry.h"

namespace layby::cache {

struct Rules {
  std::chrono::milliseconds fresh_for{60'000};   // A tag is not checked again within.
  std::vector<policy::FreshnessRule> tag_rules;  // Stronger than fresh_for.
  // How much older a tag may be and still be given at once, while it is checked.
  std::chrono::milliseconds stale_while_revalidate{0};
  // Tags used within it are checked when they are due, with nobody waiting; 0 for none.
  std::chrono::milliseconds keep_fresh{0};
  std::chrono::milliseconds unknown_for{10'000};        // That upstream has no such thing.
  std::chrono::milliseconds revalidate_timeout{2'000};  // For the check of a cached tag.
  std::chrono::milliseconds request_timeout{30'000};    // For the check of an unknown one.
  policy::RetryRules retry;
  policy::SpaceRules space;
  // A fill's bytes in RAM on their way to the disk; upstream waits above it.
  std::uint64_t max_queued_bytes = 1 << 20;
  // How far the fastest reader of a blob that isn't kept may be ahead of the slowest, in
  // RAM.
  std::uint64_t max_unkept_bytes = 4 << 20;
};

// An upstream by name, and the repositories it serves.
struct Origin {
  std::string name;
  std::vector<std::string> allow;  // policy::allows
  std::unique_ptr<Upstream> upstream;
  std::vector<std::string> deny{};  // Stronger than allow.
  bool is_private = false;          // It is asked with an account.

  bool serves(const std::string& repository) const;
  // Whether what it gives there may be nobody else's to have. Official images are everybody's.
  bool guards(const std::string& repository) const;
};

enum class ManifestSource {
  kHit,      // From the store, fresh or by digest.
  kChecked,  // From the store, after upstream was asked.
  kFetched,  // From upstream.
  kStale,    // From the store, because upstream failed.
  kHeld,     // From the store, because the image that the tag moved to isn't whole yet.
};

struct ManifestAnswer {
  oci::Digest digest;
  std::string media_type;
  std::uint64_t size_bytes = 0;
  // Null only for a HEAD that was answered from upstream's own HEAD.
  std::shared_ptr<const std::string> bytes;
  ManifestSource source = ManifestSource::kHit;
  // For a tag: since upstream last confirmed it.
  std::optional<std::chrono::seconds> age;
};

// A blob being read: the whole file, or one that still grows. The reader sends what lies
// below readable_bytes() from where part_at() says. The last byte of a blob becomes
// readable only when its digest holds.
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

  // Where the readable byte at `offset` is. A blob that isn't kept has it only as long as
  // no later one was named to consumed().
  virtual BlobPart part_at(std::uint64_t offset) const = 0;
  // No byte below `offset` will be asked for again. Call it first with where the reading
  // begins, then as it goes on.
  virtual void consumed(std::uint64_t offset) = 0;
  // The bytes turned out to be damaged: none may be sent any more.
  virtual bool revoked() const = 0;
  virtual std::uint64_t size_bytes() const = 0;
  virtual std::uint64_t readable_bytes() const = 0;
  // Whether the bytes come from a fill that was in flight when the reader was opened.
  virtual bool from_fill() const = 0;
  // One listener at most, told of every change from now on; null to stop.
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
  bool kept = true;         // It will be stored.
  bool background = false;  // No client waits for it.
};

// A tag that stands for another image than before.
struct TagMove {
  TagKey tag;
  oci::Digest from;
  oci::Digest to;
  WallTime seen_at;
  std::optional<std::uint64_t> fetch_bytes;  // To have the new image; known after a prefetch.
};

class Prefetcher;

class Cache {
 public:
  template <typename T>
  using Done = std::function<void(Result<T>)>;

  // What is passed by reference outlives the cache. At least one origin.
  Cache(Rules rules, std::vector<Origin> origins, Store& store, Timers& timers, const Clock& clock,
        Counters& counters);
  ~Cache();

  // The origin that `ns` names ("docker.io"); the first one for an empty `ns`; null
  // for an unknown name.
  const Origin* find_origin(std::string_view ns) const;

  // Each of these may call `done` before it returns, and gives a null handle then.
  // Destroying the handle drops the callback; shared work goes on for the others.
  // Errors are those of Upstream and Store.

  // `head` is set when only the headers are wanted.
  Handle get_manifest(const Origin& origin, const std::string& repository,
                      const oci::Reference& reference, bool head, Done<ManifestAnswer> done);
  // Answers as soon as the blob's size is known.
  Handle open_blob(const Origin& origin, const std::string& repository, const oci::Digest& digest,
                   Done<std::unique_ptr<BlobReader>> done);
  // The size of a blob, without fetching it; nothing when upstream doesn't say.
  Handle head_blob(const Origin& origin, const std::string& repository, const oci::Digest& digest,
                   Done<BlobHead> done);
  // Upstream's list, or the tags that are cached when upstream fails.
  Handle get_tags(const Origin& origin, const std::string& repository, const TagPageRequest& page,
                  Done<TagPage> done);
  // Upstream's index of referrers; an empty string means that there are none.
  Handle get_referrers(const Origin& origin, const std::string& repository,
                       const oci::Digest& digest, const std::string& artifact_type,
                       Done<std::string> done);

  // Fetches a blob into the store if it isn't there. Nobody waits for it.
  void fetch_blob(const Origin& origin, const std::string& repository, const oci::Digest& digest);

  Prefetcher& prefetcher();

  std::vector<FillStatus> fills() const;
  // New blobs pass through without being stored, for there is no room.
  bool full() const;
  const std::vector<Origin>& origins() const;
  // The last ones, oldest first.
  std::vector<TagMove> moves() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_CACHE_H_
