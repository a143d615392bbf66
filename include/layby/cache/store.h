// SPDX-License-Identifier: Apache-2.0
//
// The store as the cache sees it: an index that answers at once, blob files, and writers
// that publish a blob only when its digest holds. Look-ups and callbacks run on the loop
// thread; work that may wait for a disk runs elsewhere. operator_store.h has the calls of
// the operator's commands.

#ifndef LAYBY_CACHE_STORE_H_
#define LAYBY_CACHE_STORE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layby/base/async.h"
#include "layby/base/clock.h"
#include "layby/base/result.h"
#include "layby/cache/image_parts.h"
#include "layby/oci/digest.h"

namespace layby::cache {

// Where a part of a blob can be read: fd has the bytes from the requested offset up to
// end_bytes, each at its offset in the blob.
struct BlobPart {
  int fd = -1;
  std::uint64_t end_bytes = 0;
};

// An open blob file, shared by all its readers. It closes with the last reader.
class BlobFile {
 public:
  virtual ~BlobFile() = default;
  // The file on the disk; -1 when a blob that isn't kept has none.
  virtual int fd() const = 0;
  virtual BlobPart part_at(std::uint64_t /*offset*/) const { return {fd(), UINT64_MAX}; }
  // The bytes turned out to be damaged; no more of them may be sent.
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

// Whether content may be served in a repository. Content is stored once for all of them.
enum class GrantState {
  kPublic,   // It is not private: it was never granted.
  kGranted,  // It is private, and this repository has it.
  kUnknown,  // It is private, and upstream must say whether this repository has it.
};

struct StoredTag {
  oci::Digest digest;
  WallTime checked_at;  // When upstream last confirmed the digest.
};

// What a writer reports.
class BlobWriterEvents {
 public:
  virtual ~BlobWriterEvents() = default;
  // The file is open. It has `kept_bytes` of an earlier, interrupted fill, all hashed.
  // `whole`: their digest holds, and only finish() is missing. Called first, once.
  virtual void on_writer_ready(std::uint64_t kept_bytes, bool whole) = 0;
  // Bytes [0, total_bytes) are in the file and hashed.
  virtual void on_written(std::uint64_t total_bytes) = 0;
  // The disk takes no more, or stop_keeping() was called. Later bytes pass through memory,
  // and the blob will not be stored. Called at most once.
  virtual void on_unkept(const Error& reason) = 0;
  // The digest holds. Publishing follows; for a blob that isn't kept this is the last call.
  virtual void on_verified() = 0;
  // The blob is on the disk for good and in the index. Last call.
  virtual void on_published() = 0;
  // Opening, writing, verifying (kCorrupt) or publishing failed. Last call. A corrupt
  // partial file is deleted; after any other error a later writer may continue it.
  virtual void on_writer_error(Error error) = 0;
};

// One blob being written. Destroying the writer stops it; a later writer of the same
// digest continues the bytes on the disk. The last callback may destroy the writer.
class BlobWriter : public Operation {
 public:
  // The growing file; valid from on_writer_ready on.
  virtual std::shared_ptr<BlobFile> file() const = 0;
  // Queues a copy of `bytes` for the end of the blob.
  virtual void append(std::string_view bytes) = 0;
  // Bytes appended and not yet reported by on_written; backpressure depends on them.
  virtual std::uint64_t queued_bytes() const = 0;
  // No more bytes go to the disk.
  virtual void stop_keeping() = 0;
  // Nobody needs the bytes below `offset` any more. If the blob isn't kept, they leave
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
  std::uint64_t partial_bytes = 0;  // Of blobs that aren't whole, in flight or left over.
  std::uint64_t index_bytes = 0;    // The index's file, manifests included.
  std::uint64_t disk_free_bytes = 0;
  std::uint64_t disk_total_bytes = 0;
};

// What an eviction removed.
struct EvictedSum {
  std::uint64_t blobs = 0;
  std::uint64_t blob_bytes = 0;
  std::uint64_t manifests = 0;
};

// The answer to a call that ends later: it runs on the loop, once.
template <typename T>
using Given = std::function<void(Result<T>)>;

class Store : public ContentLookup {
 public:
  virtual std::optional<StoredBlob> open_blob(const oci::Digest& digest) = 0;
  // Which parts of the image `root`, a manifest or an index, are stored. Read off the loop,
  // all at one moment, and without counting as a use. An error means that the index can't
  // be read.
  virtual Handle find_parts(const oci::Digest& root, const PlatformChoice& choice,
                            std::function<void(Result<ImageParts>)> done) = 0;
  virtual std::optional<StoredTag> find_tag(const TagKey& key) = 0;
  // The known tags of a repository, sorted.
  virtual std::vector<std::string> list_tags(const std::string& upstream,
                                             const std::string& repository) = 0;

  // Writes go in order and in batches. `done` may be empty; it runs when the write is on
  // the disk or has failed.
  using Done = std::function<void(Status)>;
  virtual void put_manifest(const oci::Digest& digest, StoredManifest manifest, Done done) = 0;
  virtual void put_tag(const TagKey& key, const StoredTag& tag, Done done) = 0;

  // For a blob or manifest, whether stored or being fetched.
  virtual GrantState grant_state(const oci::Digest& digest,
                                 const RepositoryKey& repository) const = 0;
  // Marks a digest as private, and this repository as having it. grant_state() knows at once;
  // the disk knows no later than content that is written after this call. The mark goes
  // with the content, so each fetch of private content calls grant() again: while the
  // writer exists, or in the turn in which write_blob() or put_manifest() follows.
  virtual void grant(const oci::Digest& digest, const RepositoryKey& repository) = 0;

  // At most one writer a digest at a time, apart from writers that reported on_unkept.
  // `events` outlives the writer.
  virtual std::unique_ptr<BlobWriter> write_blob(const oci::Digest& digest,
                                                 BlobWriterEvents& events) = 0;

  // Counts are of the last commit, disk figures at most a few seconds old.
  virtual StoreUsage usage() const = 0;

  // Notes a use by a client, for the order of eviction. Cheap; kept in RAM for a while.
  virtual void touch_blob(const oci::Digest& digest) = 0;
  virtual void touch_manifest(const oci::Digest& digest) = 0;

  // Frees at least `bytes`, least valuable content first. Frees less when only pinned
  // content and content being read is left. Afterwards usage() has fresh disk figures.
  virtual void evict(std::uint64_t bytes, Given<EvictedSum> done) = 0;
  // Replaces all pins of the operator's list. They protect images like pins by hand, and
  // are independent of them. Setting the same list again costs no write.
  virtual void set_list_pins(std::vector<TagKey> keys, Done done) = 0;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_STORE_H_
