// SPDX-License-Identifier: Apache-2.0
//
// The events of the cache, one struct for each kind. An event borrows its strings and values,
// so an event costs no allocation and is valid only during the call that tells it. A Record
// (record.h) outlives the call.

#ifndef LAYBY_EVENTS_EVENT_H_
#define LAYBY_EVENTS_EVENT_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

#include "layby/base/result.h"
#include "layby/oci/digest.h"

namespace layby::events {

// An image, or one of its blobs: "docker.io", "library/debian" and a tag or a digest.
struct Subject {
  std::string_view upstream;
  std::string_view repository;
  std::string_view reference;
};

enum class Served {
  kCached,     // From the store, without a check of the tag.
  kConfirmed,  // From the store, after upstream confirmed the tag.
  kFetched,    // From upstream.
  kStale,      // From the store, because upstream can't be asked or fails.
  kHeld,       // From the store: the tag moved, and its new image isn't whole yet.
};

// A manifest was served. Told for each request, so listeners must be quick.
struct Pulled {
  Subject image;
  const oci::Digest& digest;
  Served served = Served::kCached;
};

struct ManifestFailed {
  Subject image;
  const Error& error;
};

// A cached tag is served, because upstream has not confirmed the tag, or has not sent the tag's
// new manifest.
struct ServedStale {
  Subject image;
  const Error& error;
};

struct TagMoved {
  Subject image;
  const oci::Digest& from;
  const oci::Digest& to;
};

// A fill goes on where an earlier fill of the same blob was interrupted.
struct FillResumed {
  Subject blob;
  std::uint64_t kept_bytes = 0;
  bool whole = false;  // The kept bytes are the whole blob.
};

// A fill's transfer failed and is tried again.
struct FillRetried {
  Subject blob;
  const Error& error;
  std::uint64_t offset_bytes = 0;
};

// A blob is served without being stored.
struct FillUnkept {
  Subject blob;
  const Error& reason;
};

struct BlobPublished {
  Subject blob;
  std::uint64_t size_bytes = 0;
};

// A blob or a manifest was verified and served, but could not be stored.
struct NotStored {
  Subject content;
  const Error& error;
};

struct FillFailed {
  Subject blob;
  const Error& error;
};

struct Evicted {
  std::uint64_t blobs = 0;
  std::uint64_t blob_bytes = 0;
  std::uint64_t manifests = 0;
};

struct EvictionFailed {
  const Error& error;
};

// A stored blob doesn't match its digest. The blob was taken out of service.
struct BlobDamaged {
  const oci::Digest& digest;
  std::string_view path;
};

struct ManifestDamaged {
  const oci::Digest& digest;
};

struct ScrubEnded {
  std::uint64_t blobs = 0;
  std::uint64_t bytes = 0;
  std::uint64_t damaged = 0;
};

// A new index was filled from the blob files.
struct IndexRebuilt {
  std::uint64_t blobs = 0;
  std::uint64_t damaged = 0;
};

enum class Link { kUp, kDown };

struct LinkChanged {
  std::string_view upstream;
  Link link = Link::kUp;
  std::string_view reason{};  // The last failure; empty when the link is up.
};

// Upstream answered 429.
struct Throttled {
  std::string_view upstream;
  bool pulls_only = false;  // Only requests for manifests wait.
  std::chrono::milliseconds wait{0};
};

// Upstream stated a pull limit or a number of remaining pulls that differs from the last
// QuotaChanged.
struct QuotaChanged {
  std::string_view upstream;
  std::uint64_t limit = 0;
  std::uint64_t remaining = 0;
};

// The cache became full, so new blobs aren't stored; or it has room again.
struct DiskFullChanged {
  bool full = false;
};

struct PrefetchedImage {
  Subject image;
  std::uint64_t fetched_bytes = 0;
};

struct PrefetchFailed {
  Subject image;
  const Error& error;
};

struct PrefetchEnded {
  std::uint64_t run = 0;
  std::uint64_t images = 0;
  std::uint64_t fetched_bytes = 0;
  std::uint64_t pulls = 0;
  bool failed = false;  // Some images or lists of tags failed.
};

struct Started {
  std::string_view version;
  std::string_view address;
  std::string_view data_dir;
};

struct Stopping {
  std::uint64_t connections = 0;
  std::chrono::milliseconds grace{0};
};

using Event = std::variant<Pulled, ManifestFailed, ServedStale, TagMoved, FillResumed, FillRetried,
                           FillUnkept, BlobPublished, NotStored, FillFailed, Evicted,
                           EvictionFailed, BlobDamaged, ManifestDamaged, ScrubEnded, IndexRebuilt,
                           LinkChanged, Throttled, QuotaChanged, DiskFullChanged, PrefetchedImage,
                           PrefetchFailed, PrefetchEnded, Started, Stopping>;

}  // namespace layby::events

#endif  // LAYBY_EVENTS_EVENT_H_
