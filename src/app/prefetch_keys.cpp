// SPDX-License-Identifier: Apache-2.0
//
// The keys of the prefetch list.

#include "app/config_keys.h"

namespace layby::app {
namespace {

constexpr std::uint64_t kYear = 365 * kDay;

// LAYBY_AT(member) gives access to `member` of the prefetch list. LAYBY_OF(member) gives access to
// `member` of the image with index s.item.
#define LAYBY_AT(member) \
  [](Slot s) -> auto& { return s.list.member; }
#define LAYBY_OF(member) \
  [](Slot s) -> auto& { return s.list.images[s.item].member; }

}  // namespace

const Keys& prefetch_keys() {
  static const Keys keys{
      {"every", Kind::kDuration, LAYBY_AT(every), Range{kMinute, kYear},
       "How often a run checks all images of the list and fetches what is new."},
      {"window", Kind::kOptionalWindow, LAYBY_AT(window), kAny,
       "The part of the day for runs, in this machine's local time: `01:00-05:00`. It may cross "
       "midnight. Empty means the whole day."},
      {"splay", Kind::kDuration, LAYBY_AT(splay), Range{0, kDay},
       "Runs begin up to this long after the window's beginning, but within its first half. Each "
       "box has a moment of its own, so that many boxes don't ask at the same time. Without a "
       "window, the second run comes so much later."},
      {"max_rate", Kind::kRate, LAYBY_AT(max_rate), kAny,
       "How fast a run may fetch, in bytes a second. With 0, only `upstream.max_rate` applies."},
      {"concurrency", Kind::kCount, LAYBY_AT(concurrency), Range{1, 64},
       "How many blobs a run fetches at one time."},
      {"hold", Kind::kDuration, LAYBY_AT(hold), Range{0, kYear},
       "How long pulls of a tag that has moved get the old image, if it is complete, while the new "
       "image is incomplete. After that time pulls get the new image and wait for its blobs."},
      {"images", Kind::kObjects,
       Objects{[](Slot s) { return s.list.images.size(); },
               [](Slot s, std::size_t n) {
                 s.list.images.clear();
                 s.list.images.resize(n);
               }},
       kAny, "The images to fetch."},

      {"images[].image", Kind::kImage, LAYBY_OF(image), kAny,
       "The image as for `docker pull`, without a tag: `python`, `ghcr.io/acme/tool`.", true},
      {"images[].tags", Kind::kTagPatterns, LAYBY_OF(tags), Range{1},
       "The tags to fetch: `3.13-slim`, patterns such as `3.12-*`, ranges of versions such as "
       "`>=3.12 "
       "<3.14 -slim`."},
      {"images[].platforms", Kind::kPlatforms, LAYBY_OF(platforms), Range{1},
       "The platforms to fetch. Other platforms are still fetched when they are pulled."},
      {"images[].attestations", Kind::kFlag, LAYBY_OF(attestations), kAny,
       "Whether the attestations of these platforms (SBOM, provenance) are fetched as well."},
      {"images[].pin", Kind::kFlag, LAYBY_OF(pin), kAny,
       "Whether these images stay when the cache is full, as after `layby pin`."},
  };
  return keys;
}

#undef LAYBY_AT
#undef LAYBY_OF

}  // namespace layby::app
