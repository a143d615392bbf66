// SPDX-License-Identifier: Apache-2.0
//
// Where content is kept, as the cache sees it: an index that answers at once, blob
// files, and writers that publish a blob only when its digest holds. Looking up and
// the callbacks are on the loop thread; what can wait for a disk is done elsewhere.

#ifndef LAYBY_CACHE_STORE_H_
#define LAYBY_CACHE_STORE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layby/base/clock.h"
#include "layby/base/result.h"
#include "layby/cache/async.h"
#include "layby/oci/digest.h"

namespace layby::cache {

// Where a stretch of a blob can be read: bytes from the asked one on, up to end_bytes,
// stand in fd at their offsets in the blob.
struct BlobPart {
  int fd = -1;
  std::uint64_t end_bytes = 0;
};

// An open blob file, shared by all who read it; closes with the last of them.
class BlobFile {
 public:
  virtual ~BlobFile() = default;
  // The file on the disk; -1 where a blob that isn't kept has none.
  virtual int fd() const = 0;
  virtual BlobPart part_at(std::uint64_t /*offset*/) const { return {fd(), UINT64_MAX}; }
  // Its bytes turned out to be damaged: no more of them may be sent.
  virtual bool revoked() const { return false; }
};

struct StoredBlob {
  std::shared_ptr<BlobFile> file;
  std::uint64_t size_bytes = 0;
};

struct StoredManifest {
  std::shared_ptr<const std::string> bytes;
  std::string media_type;
};

// A tag is known per upstream and repository.
struct TagKey {
  std::string upstream;    // "docker.io"
  std::string repository;  // "library/debian"
  std::string tag;
  auto operator<=>(const TagKey&) const = default;
};

// Upstream and repository, as in a tag's key.
struct RepositoryKey {
  std::string upstream;
  std::string repository;
  auto operator<=>(const RepositoryKey&) const = default;
};

// Whether content, which is stored once for all repositories, may be given in one of them.
enum class Access {
  kOpen,     // It is not private: nothing was ever granted for it.
  kGranted,  // It is private, and this repository has it.
  kUnknown,  // It is private, and upstream has to be asked whether this repository has it.
};

struct StoredTag {
  oci::Digest digest;
  WallTime checked_at;  // When upstream last said so.
};

// What a writer reports.
class BlobWriterEvents {
 public:
  virtual ~BlobWriterEvents() = default;
  // The file is open; `kept_bytes` of an earlier, interrupted fill are in it and hashed.
  // `whole` when their digest holds: nothing is missing but finish().
  virtual void on_writer_ready(std::uint64_t kept_bytes, bool whole) = 0;
  // Bytes [0, total_bytes) are in the file and hashed.
  virtual void on_written(std::uint64_t total_bytes) = 0;
  // The disk takes no more, or stop_keeping() was called: bytes from here on pass through
  // memory, and the blob will not be stored. At most once.
  virtual void on_unkept(const Error& reason) = 0;
  // The digest holds. Publishing goes on; of a blob that isn't kept it is the last call.
  virtual void on_verified() = 0;
  // The blob is on the disk for good and in the index. Last call.
  virtual void on_published() = 0;
  // Opening, writing, verifying (kCorrupt) or publishing failed. Last call. A corrupt
  // partial file is gone; after any other error it may be taken up again.
  virtual void on_writer_error(Error error) = 0;
};

// One blob being written. Destroying it stops and leaves what is written for a later
// writer of the same digest to take up; it may be destroyed inside its last callback.
class BlobWriter : public Operation {
 public:
  // The growing file; valid from on_writer_ready on.
  virtual std::shared_ptr<BlobFile> file() const = 0;
  // Queues a copy of the bytes behind those that are there.
  virtual void append(std::string_view bytes) = 0;
  // Bytes appended and not yet reported by on_written: what backpressure looks at.
  virtual std::uint64_t queued_bytes() const = 0;
  // No more bytes go to the disk.
  virtual void stop_keeping() = 0;
  // Nobody needs the bytes below `offset` any more: those of a blob that isn't kept leave
  // memory.
  virtual void release(std::uint64_t offset) = 0;
  // All bytes are appended: check the digest, sync, publish.
  virtual void finish() = 0;
};

struct StoreUsage {
  std::uint64_t blobs = 0;
  std::uint64_t blob_bytes = 0;
  std::uint64_t manifests = 0;
  std::uint64_t manifest_bytes = 0;
  std::uint64_t tags = 0;
  std::uint64_t partial_bytes = 0;  // Of blobs that are not whole yet, in flight or left.
  std::uint64_t index_bytes = 0;    // The index's file, manifests included.
  std::uint64_t disk_free_bytes = 0;
  std::uint64_t disk_total_bytes = 0;
};

// What an eviction took away.
struct EvictedSum {
  std::uint64_t blobs = 0;
  std::uint64_t blob_bytes = 0;
  std::uint64_t manifests = 0;
};

// The check of stored blobs: of the present pass, or of the last one.
struct ScrubStatus {
  bool running = false;
  bool on_demand = false;
  bool rebuilding = false;  // An index that was made anew gets its blobs back.
  std::uint64_t checked_blobs = 0;
  std::uint64_t checked_bytes = 0;
  std::uint64_t bad_blobs = 0;
  std::optional<WallTime> last_ended;
};

// One platform of a cached image: its manifest is stored.
struct CachedPlatform {
  std::string platform;  // "linux/amd64"; empty where the manifest stands alone.
  oci::Digest digest;
  std::uint64_t bytes = 0;          // Of its stored blobs.
  std::uint64_t missing_bytes = 0;  // Of those that aren't.
};

struct CachedImage {
  TagKey tag;
  oci::Digest digest;
  WallTime checked_at;
  std::optional<WallTime> used_at;
  bool pinned = false;  // By hand.
  bool listed = false;  // By the operator's list, set_list_pins().
  // Of the blobs of its stored platforms, each once.
  std::uint64_t bytes = 0;
  std::uint64_t shared_bytes = 0;  // Those that another cached image has too.
  std::uint64_t missing_bytes = 0;
  std::vector<CachedPlatform> platforms;
};

struct Catalog {
  std::vector<CachedImage> images;   // By upstream, repository and tag.
  std::vector<TagKey> waiting_pins;  // Pinned by hand, and not cached yet.
  std::uint64_t blob_bytes = 0;
  std::uint64_t untagged_bytes = 0;  // Of blobs that no image of the list has.
};

class Store {
 public:
  virtual ~Store() = default;

  virtual std::optional<StoredBlob> open_blob(const oci::Digest& digest) = 0;
  // The size of a stored blob, by the index alone: no file is opened, and it is no use.
  virtual std::optional<std::uint64_t> find_blob(const oci::Digest& digest) const = 0;
  virtual std::optional<StoredManifest> find_manifest(const oci::Digest& digest) = 0;
  virtual std::optional<StoredTag> find_tag(const TagKey& key) = 0;
  // The tags known of a repository, sorted.
  virtual std::vector<std::string> list_tags(const std::string& upstream,
                                             const std::string& repository) = 0;

  // Writes go in order and in batches; `done` (may be empty) runs when it is on the disk.
  using Done = std::function<void(Status)>;
  virtual void put_manifest(const oci::Digest& digest, StoredManifest manifest, Done done) = 0;
  virtual void put_tag(const TagKey& key, const StoredTag& tag, Done done) = 0;

  // Of a blob or manifest, stored or coming.
  virtual Access access(const oci::Digest& digest, const RepositoryKey& repository) const = 0;
  // Makes a digest private, and this repository one that has it: at once for access(),
  // and on the disk no later than content that comes after it. It goes with the content,
  // so whoever fetches private content calls it each time: while the writer is there, or
  // in the turn in which write_blob() or put_manifest() follows.
  virtual void grant(const oci::Digest& digest, const RepositoryKey& repository) = 0;

  // At most one writer a digest at a time. `events` outlives the writer.
  virtual std::unique_ptr<BlobWriter> write_blob(const oci::Digest& digest,
                                                 BlobWriterEvents& events) = 0;

  // Counts are of the last commit, disk figures at most a few seconds old.
  virtual StoreUsage usage() const = 0;

  // A use by a client, for the order of eviction. Cheap; kept in RAM for a while.
  virtual void touch_blob(const oci::Digest& digest) = 0;
  virtual void touch_manifest(const oci::Digest& digest) = 0;

  template <typename T>
  using Given = std::function<void(Result<T>)>;

  // Frees at least `bytes`, least valuable first; less when nothing more may go: what is
  // pinned or being read stays. Afterwards usage() knows the disk anew.
  virtual void evict(std::uint64_t bytes, Given<EvictedSum> done) = 0;
  // Forgets a tag, and what of its image nothing else needs. kNotFound, kDenied when it
  // is pinned, by hand or by the list.
  virtual void evict_image(const TagKey& key, Given<EvictedSum> done) = 0;
  // A pin needs no cached image: it holds for what its tag is, or will be. TagKey::tag
  // may be a digest here and in evict_image. Done with whether there was one before.
  virtual void pin(const TagKey& key, Given<bool> done) = 0;
  virtual void unpin(const TagKey& key, Given<bool> done) = 0;
  // The pins of the operator's list, which hold beside those by hand and like them: all of
  // them at once, instead of those that were there. One and the same list again costs no
  // write.
  virtual void set_list_pins(std::vector<TagKey> keys, Done done) = 0;
  virtual void list_images(Given<Catalog> done) = 0;
  // Begins a check of all stored blobs.
  virtual void verify() = 0;
  virtual ScrubStatus scrub() const = 0;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_STORE_H_
