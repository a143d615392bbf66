// SPDX-License-Identifier: Apache-2.0
//
// Makes the report of a run. A blob that several images need counts for each of these images,
// but only once in the report's sums.

#include <algorithm>
#include <cassert>
#include <set>
#include <utility>

#include "cache/prefetch_run.h"

namespace layby::cache {

std::string_view to_string(PrefetchState state) {
  switch (state) {
    case PrefetchState::kWaiting:
      return "waiting";
    case PrefetchState::kChecking:
      return "checking";
    case PrefetchState::kManifests:
      return "manifests";
    case PrefetchState::kFetching:
      return "fetching";
    case PrefetchState::kDone:
      return "done";
    case PrefetchState::kCurrent:
      return "current";
    case PrefetchState::kFailed:
      return "failed";
    case PrefetchState::kStopped:
      return "stopped";
  }
  return "";
}

bool PrefetchReport::failed() const {
  return !troubles.empty() || std::any_of(tags.begin(), tags.end(), [](const PrefetchTag& tag) {
    return tag.state == PrefetchState::kFailed;
  });
}

bool PrefetchRun::is_settled(const Job& job) const {
  switch (job.seen.state) {
    case PrefetchState::kWaiting:
    case PrefetchState::kChecking:
      return false;
    case PrefetchState::kManifests:
      return depth_ == Depth::kPlan && !job.look;
    case PrefetchState::kFetching:
      return depth_ != Depth::kWhole;
    default:
      return true;
  }
}

std::uint64_t PrefetchRun::fetched_bytes(const ImageBlob& blob) const {
  if (fetched_.contains(blob.digest)) return blob.size_bytes;
  if (!flights_.contains(blob.digest)) return 0;
  return std::min(context_.fills.written_bytes(blob.digest), blob.size_bytes);
}

PrefetchReport PrefetchRun::report() const {
  PrefetchReport report;
  std::set<oci::Digest> counted;
  bool busy = used_look_ != nullptr || listing_ != nullptr || !flights_.empty();
  for (const JobPtr& job : jobs_) {
    PrefetchTag tag = job->seen;
    for (const ImageBlob& blob : job->missing_blobs) {
      const std::uint64_t bytes = fetched_bytes(blob);
      assert(bytes <= blob.size_bytes);
      tag.bytes_done += bytes;
      if (!counted.insert(blob.digest).second) continue;
      report.bytes_total += blob.size_bytes;
      report.bytes_done += bytes;
    }
    busy |= job->request != nullptr;
    report.tags.push_back(std::move(tag));
  }
  report.troubles = troubles_;
  report.over = over_;
  report.stopped = stopped_;
  if (!busy && !over_) report.waits_for = waits_for_;
  report.pulls_spent = pulls_spent_;
  report.list_bytes = list_bytes_;
  report.capacity_bytes = capacity_bytes_;
  return report;
}

}  // namespace layby::cache
