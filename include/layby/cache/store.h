// SPDX-License-Identifier: Apache-2.0
//
// The store as the cache sees it: an index that answers at once, blob files, and writers
// that publish a blob only when its digest matches. Look-ups and callbacks run on the loop
// thread; work that may wait for a disk runs on helper threads. operator_store.h has the calls
// for the operator's commands.

#ifndef LAYBY_CACHE_STORE_H_
#define LAYBY_CACHE_STORE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "layby/base/async.h"
#include "layby/base/clock.h"
#include "layby/base/result.h"
#include "layby/cache/image_parts.h"
#include "layby/oci/digest.h"

namespace layby::cache {

// Where a part of a blob can be read: `fd` has the bytes from the requested offset up to
// `end_bytes`. Each byte's place in the file is its offset in the blob.
struct BlobPart {
  int fd = -1;
  std::uint64_t end_bytes = 0;
};

// An open blob file, shared by all its readers. The store may keep the file open for a short time
// after its last reader.
class BlobFile {
 public:
  virtual ~BlobFile() = default;
  // The file on the disk; -1 when an unkept blob has no file.
  virtual int fd() const = 0;
  virtual BlobPart part_at(std::uint64_t /*offset*/) const { return {fd(), UINT64_MAX}; }
  // Whether the blob turned out to be damaged. No more bytes of a damaged blob may be sent.
  virtual bool revoked() const { return false; }
};

struct StoredBlob {
  std::shared_ptr<BlobFile> file;
  std::uint64_t size_bytes = 0;
};

// A repository of an upstream.
struct RepositoryKey {
  std::string upstream;
  std::string repository;
  auto operator<=>(const RepositoryKey&) const = default;
};

struct StoredManifest {
  std::shared_ptr<const std::string> bytes;
  std::string media_type;
  // The repository that the manifest was fetched from. Set for put_manifest() only.
  std::optional<RepositoryKey> from{};
};

// A tag of a repository of an upstream.
struct TagKey {
  std::string upstream;    // "docker.io"
  std::string repository;  // "library/debian"
  std::string tag;
  auto operator<=>(const TagKey&) const = default;
};

// Whether stored content may be served in a repository. All repositories share the store.
enum class GrantState {
  kPublic,   // Public content, which was never granted.
  kGranted,  // Private content that this repository has.
  kUnknown,  // Private content. Upstream must say whether this repository has the content.
};

struct StoredTag {
  oci::Digest digest;
  WallTime checked_at;  // When upstream last confirmed the digest.
};

// The reports of a BlobWriter.
class BlobWriterEvents {
 public:
  virtual ~BlobWriterEvents() = default;
  // The file is open. The file has `kept_bytes` bytes of an earlier, interrupted fill, and these
  // bytes are hashed. `whole` says that these bytes are the whole blob, so that only finish()
  // remains to be called. This call comes first, and only once.
  virtual void on_writer_ready(std::uint64_t kept_bytes, bool whole) = 0;
  // The blob's first `total_bytes` bytes are in the file and hashed.
  virtual void on_written(std::uint64_t total_bytes) = 0;
  // The bytes of a write_ahead() that ended at `end` are in the file, from `offset` on.
  virtual void on_written_ahead(std::uint64_t /*offset*/, std::uint64_t /*end*/) {}
  // Bytes of write_ahead() were lost. The writer takes no more bytes ahead. Bytes that were
  // reported by on_written_ahead() stay.
  virtual void on_ahead_failed(const Error& /*reason*/) {}
  // The disk takes no more bytes, or stop_keeping() was called. Later bytes pass through
  // memory, and the blob will not be stored. Called at most once.
  virtual void on_unkept(const Error& reason) = 0;
  // The digest matches. The writer then publishes the blob. For an unkept blob this call is
  // the last.
  virtual void on_verified() = 0;
  // The blob is synced to the disk and in the index. This call is the last.
  virtual void on_published() = 0;
  // Opening, writing, verifying (kCorrupt) or publishing failed. This call is the last. A
  // corrupt partial file is deleted; after other errors a later writer may continue the file.
  virtual void on_writer_error(Error error) = 0;
};

// Writes one blob. The writer's destructor ends the writing; a later writer of the same digest goes
// on after the bytes on the disk. The last callback may destroy the writer.
class BlobWriter : public Operation {
 public:
  // The growing file; valid after on_writer_ready().
  virtual std::shared_ptr<BlobFile> file() const = 0;
  // Queues a copy of `bytes` for the end of the blob.
  virtual void append(std::string_view bytes) = 0;
  // Queues a copy of `bytes`, whose place in the blob is `offset`, beyond the end of the appended
  // bytes. The bytes are neither hashed nor kept for a later writer, until append_written()
  // appends them.
  virtual void write_ahead(std::uint64_t offset, std::string_view bytes) = 0;
  // Appends the next `count` bytes, which on_written_ahead() has reported.
  virtual void append_written(std::uint64_t count) = 0;
  // Bytes appended or written ahead and not yet reported, for backpressure.
  virtual std::uint64_t queued_bytes() const = 0;
  // Stops writing to the disk: later bytes pass through memory, after on_unkept().
  virtual void stop_keeping() = 0;
  // The caller no longer needs the bytes below `offset`. An unkept blob frees the memory of these
  // bytes.
  virtual void release(std::uint64_t offset) = 0;
  // The caller has appended all bytes. Checks the digest, syncs the file and publishes the blob.
  virtual void finish() = 0;
};

struct StoreUsage {
  std::uint64_t blobs = 0;
  std::uint64_t blob_bytes = 0;
  std::uint64_t manifests = 0;
  std::uint64_t manifest_bytes = 0;
  std::uint64_t tags = 0;
  std::uint64_t partial_bytes = 0;  // The bytes of partial files, in flight or left over.
  std::uint64_t index_bytes = 0;    // The index's file, which has the manifests.
  std::uint64_t disk_free_bytes = 0;
  std::uint64_t disk_total_bytes = 0;
};

// The total of the content that an eviction deleted.
struct EvictedSum {
  std::uint64_t blobs = 0;
  std::uint64_t blob_bytes = 0;
  std::uint64_t manifests = 0;
};

// Content that an eviction must not delete, in addition to pinned content.
struct Spare {
  std::vector<oci::Digest> images;     // The images and their stored parts.
  std::optional<WallTime> used_since;  // Content that was used or stored after this time.
};

// Takes the answer of a call that ends later. Runs once, on the loop.
template <typename T>
using Given = std::function<void(Result<T>)>;

class Store : public ContentLookup {
 public:
  virtual std::optional<StoredBlob> open_blob(const oci::Digest& digest) = 0;
  // Finds which parts of an image are stored. `root` is the image's manifest or index. A helper
  // thread reads one snapshot of the index, and the reading doesn't count as a use. An error means
  // that the index can't be read.
  virtual Handle find_parts(const oci::Digest& root, const PlatformChoice& choice,
                            std::function<void(Result<ImageParts>)> done) = 0;
  virtual std::optional<StoredTag> find_tag(const TagKey& key) = 0;
  // The known tags of a repository, sorted.
  virtual std::vector<std::string> list_tags(const std::string& upstream,
                                             const std::string& repository) = 0;

  // Writes happen in order and in batches. `done` may be empty; `done` runs when the write is
  // on the disk or has failed.
  using Done = std::function<void(Status)>;
  virtual void put_manifest(const oci::Digest& digest, StoredManifest manifest, Done done) = 0;
  virtual void put_tag(const TagKey& key, const StoredTag& tag, Done done) = 0;

  // Whether a blob or manifest, stored or being fetched, may be served in `repository`.
  virtual GrantState grant_state(const oci::Digest& digest,
                                 const RepositoryKey& repository) const = 0;
  // Marks content as private, and as content of this repository. grant_state() knows the mark at
  // once. The mark reaches the disk no later than content that is written after this call. The
  // mark is deleted with the content, so each fetch of private content calls grant() again:
  // while the writer exists, or in the same turn before write_blob() or put_manifest().
  virtual void grant(const oci::Digest& digest, const RepositoryKey& repository) = 0;

  // A digest has at most one writer at a time, apart from writers that reported on_unkept().
  // `events` outlives the writer.
  virtual std::unique_ptr<BlobWriter> write_blob(const oci::Digest& digest,
                                                 BlobWriterEvents& events) = 0;

  // The counts are as of the last commit. The disk figures are at most a few seconds old.
  virtual StoreUsage usage() const = 0;

  // Notes a use by a client, for the order of eviction. The note is cheap, and stays in RAM for
  // a while.
  virtual void touch_blob(const oci::Digest& digest) = 0;
  virtual void touch_manifest(const oci::Digest& digest) = 0;
  // Notes the first pull of a manifest, which was fetched for this pull. The note sets the time of
  // the last use, but counts no use, because the storing of the manifest was counted as a use.
  virtual void note_first_pull(const oci::Digest& manifest) = 0;

  // Verifies a stored blob in the background, unless the blob was verified a few minutes ago. A
  // damaged blob is taken out of service: its readers are cut off, and the blob is fetched again.
  virtual void check_blob(const oci::Digest& digest) = 0;

  // Frees at least `bytes`, least valuable content first. Frees less when the remaining content is
  // pinned, spared or being read. When `done` runs, usage() has fresh disk figures.
  virtual void evict(std::uint64_t bytes, const Spare& spare, Given<EvictedSum> done) = 0;
  void evict(std::uint64_t bytes, Given<EvictedSum> done) { evict(bytes, {}, std::move(done)); }
  // Finds the stored blobs that were used or stored after `since`, with their sizes.
  using UsedBlobs = std::map<oci::Digest, std::uint64_t>;
  virtual Handle find_used(WallTime since, Given<UsedBlobs> done) = 0;
  // Replaces all pins of the prefetch list. A pin of the list protects an image like a pin by hand.
  // The two kinds of pins don't change each other. Setting the same pins again costs no write.
  virtual void set_list_pins(std::vector<TagKey> keys, Done done) = 0;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_STORE_H_
