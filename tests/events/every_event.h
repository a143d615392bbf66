// SPDX-License-Identifier: Apache-2.0
//
// One event of each kind, for tests that apply to all events.

#ifndef LAYBY_TESTS_EVENTS_EVERY_EVENT_H_
#define LAYBY_TESTS_EVENTS_EVERY_EVENT_H_

#include <chrono>
#include <string>
#include <vector>

#include "layby/events/event.h"

namespace layby::events {

// Owns the values that the events refer to.
class EveryEvent {
 public:
  const std::vector<Event>& all() const { return all_; }

 private:
  const oci::Digest old_ = oci::Digest::of("old");
  const oci::Digest new_ = oci::Digest::of("new");
  const std::string by_digest_ = old_.str();
  const Error error_{ErrorCode::kUnavailable, "docker.io: connection refused"};
  const Error no_space_{ErrorCode::kNoSpace, "no space left"};
  const Subject image_{"docker.io", "library/debian", "12"};
  const Subject blob_{"docker.io", "library/debian", by_digest_};
  const std::vector<Event> all_{
      Pulled{image_, old_, Served::kCached},
      Pulled{image_, old_, Served::kFetched},
      ManifestFailed{image_, error_},
      ServedStale{image_, error_},
      TagMoved{image_, old_, new_},
      FillResumed{blob_, 10, true},
      FillRetried{blob_, error_, 10},
      FillUnkept{blob_, no_space_},
      BlobPublished{blob_, 4'096},
      NotStored{blob_, no_space_},
      FillFailed{blob_, error_},
      Evicted{3, 4'096, 1},
      EvictionFailed{error_},
      BlobDamaged{old_, "/var/lib/layby/blobs/x"},
      ManifestDamaged{old_},
      ScrubEnded{7, 4'096, 1},
      IndexRebuilt{7, 1},
      LinkChanged{"docker.io", Link::kDown, "no connection"},
      LinkChanged{"docker.io", Link::kUp},
      Throttled{"docker.io", true, std::chrono::seconds(60)},
      QuotaChanged{"docker.io", 100, 37},
      DiskFullChanged{true},
      DiskFullChanged{false},
      PrefetchedImage{image_, 4'096},
      PrefetchFailed{image_, error_},
      PrefetchEnded{2, 5, 4'096, 3, true},
      Started{"0.1.0", "0.0.0.0:5000", "/var/lib/layby"},
      Stopping{3, std::chrono::seconds(10)},
  };
};

}  // namespace layby::events

#endif  // LAYBY_TESTS_EVENTS_EVERY_EVENT_H_
