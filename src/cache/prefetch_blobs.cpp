// SPDX-License-Identifier: Apache-2.0
//
// The last part of a job: checks whether the image fits, fetches the missing blobs, and checks
// whether the image is whole. An image with missing blobs fits if the cache has room for this
// image, the images that were counted before, and the content that clients used.

#include <algorithm>
#include <cassert>
#include <utility>

#include "cache/prefetch_run.h"
#include "layby/base/bytes.h"
#include "layby/base/log.h"

namespace layby::cache {

void PrefetchRun::on_used(Result<Store::UsedBlobs> used) {
  const Handle over = std::move(used_look_);
  if (!used) {
    log::warn("prefetch: can't tell what clients used: {}", used.error().message);
    used_.emplace();
  } else {
    used_ = *std::move(used);
  }
  for (const auto& [digest, size_bytes] : *used_) used_bytes_ += size_bytes;
  soon();
}

// Adds the blobs of the image to list_bytes_, except blobs that were added before.
void PrefetchRun::count_listed(const ImageParts& parts) {
  for (const ImageBlob& blob : parts.blobs) {
    if (!counted_.insert(blob.digest).second) continue;
    list_bytes_ += blob.size_bytes;
    const auto used = used_->find(blob.digest);
    if (used == used_->end()) continue;
    assert(used_bytes_ >= used->second);
    used_bytes_ -= used->second;
  }
}

bool PrefetchRun::make_fit(Job& job, const ImageParts& parts) {
  assert(used_);
  std::uint64_t listed = list_bytes_;
  std::uint64_t used = used_bytes_;
  for (const ImageBlob& blob : parts.blobs) {
    if (counted_.contains(blob.digest)) continue;
    listed += blob.size_bytes;
    if (const auto at = used_->find(blob.digest); at != used_->end()) used -= at->second;
  }
  const bool fits =
      capacity_bytes_ == 0 || job.missing_blobs.empty() || listed + used <= capacity_bytes_;
  if (!fits) {
    const std::string others =
        used == 0 ? "" : ", clients use " + format_bytes(used) + " of other images";
    fail(job, {ErrorCode::kNoSpace, "the list does not fit: with this image it needs " +
                                        format_bytes(listed) + others + ", and there is room for " +
                                        format_bytes(capacity_bytes_) +
                                        "; raise cache.max_bytes or shorten the list"});
    // A plan counts the image anyway, to report how much room the whole list needs.
    if (depth_ == Depth::kWhole) return false;
  }
  count_listed(parts);
  return fits;
}

// The content that the fills of the run must not displace: the images of the list, as far as the
// run knows them, and the content that clients used.
Spare PrefetchRun::spare() const {
  Spare spare{{}, used_since_};
  for (const JobPtr& job : jobs_) {
    const auto& image = job->seen.bytes_known ? job->seen.now : job->seen.before;
    if (image) spare.images.push_back(*image);
  }
  return spare;
}

void PrefetchRun::plan_blobs(Job& job, const ImageParts& parts) {
  job.seen.bytes_known = true;
  job.seen.image_bytes = parts.bytes();
  job.missing_blobs.clear();
  for (const ImageBlob& blob : parts.blobs) {
    if (!blob.stored) job.missing_blobs.push_back(blob);
  }
  job.seen.bytes_total = parts.missing_bytes();
  job.seen.error.clear();
  for (const std::string& platform : parts.missing_platforms) {
    job.seen.error += (job.seen.error.empty() ? "it has no " : ", no ") + platform;
  }
  if (!job.losses.empty() && !job.seen.error.empty()) job.seen.error += "; ";
  job.seen.error += job.losses;
  if (!make_fit(job, parts)) return;
  if (job.seen.before && *job.seen.before != *job.seen.now && depth_ == Depth::kWhole) {
    context_.manifests.note_move(job.seen.tag, *job.seen.before, *job.seen.now,
                                 job.seen.bytes_total);
  }
  job.seen.state = PrefetchState::kFetching;
  if (job.missing_blobs.empty()) settle(job, PrefetchState::kCurrent);
}

void PrefetchRun::start_blobs() {
  if (depth_ != Depth::kWhole) return;
  for (const JobPtr& job : jobs_) {
    if (job->seen.state != PrefetchState::kFetching || job->look || put_off(job->pause)) continue;
    if (!start_blobs(*job)) return;
  }
}

// Returns false when list_.concurrency blobs are under way, so that no other job begins a blob.
bool PrefetchRun::start_blobs(Job& job) {
  bool all_there = true;
  for (const ImageBlob& blob : job.missing_blobs) {
    if (fetched_.contains(blob.digest)) continue;
    if (context_.store.find_blob(blob.digest)) {
      fetched_.insert(blob.digest);
      continue;
    }
    all_there = false;
    if (flights_.contains(blob.digest)) continue;
    if (flights_.size() >= static_cast<std::size_t>(list_.concurrency)) return false;
    if (put_off(job.upstream(), Ask::kBlob)) return true;
    assert(depth_ == Depth::kWhole && !over_);
    flights_[blob.digest] = context_.fills.fetch(
        *job.image->origin, job.seen.tag.repository, blob.digest,
        [this, digest = blob.digest](const Status& stored) { on_blob(digest, stored); });
  }
  if (all_there) finish(job);
  return true;
}

void PrefetchRun::on_blob(const oci::Digest& digest, const Status& stored) {
  const auto flight = flights_.extract(digest);
  assert(!flight.empty());
  soon();
  if (stored.ok()) fetched_.insert(digest);
  for (const JobPtr& job : jobs_) {
    const auto& blobs = job->missing_blobs;
    const bool concerned = job->seen.state == PrefetchState::kFetching &&
                           std::any_of(blobs.begin(), blobs.end(), [&](const ImageBlob& blob) {
                             return blob.digest == digest;
                           });
    if (!concerned) continue;
    if (stored.ok()) {
      job->failures = 0;
    } else if (!go_without(*job, digest, stored.error())) {
      fail_or_retry(*job, stored.error());
    }
  }
}

// Blobs that were stored when the job was planned may have been evicted since then.
void PrefetchRun::finish(Job& job) { ask_parts(job, *job.seen.now, &PrefetchRun::on_finished); }

void PrefetchRun::on_finished(Job& job, const ImageParts& parts) {
  if (parts.whole()) return settle(job, PrefetchState::kDone);
  for (const ImageBlob& blob : parts.blobs) {
    if (!blob.stored) fetched_.erase(blob.digest);
  }
  fail_or_retry(job, {ErrorCode::kUnavailable, "parts of the image were evicted meanwhile"});
  if (job.seen.state == PrefetchState::kFetching) look_at(job);
}

}  // namespace layby::cache
