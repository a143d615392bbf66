// SPDX-License-Identifier: Apache-2.0
//
// The keys of the prefetch list.

#include "app/config_keys.h"

namespace layby::app {
namespace {

constexpr std::uint64_t kMinute = 60'000;
constexpr std::uint64_t kYear = 365 * 24 * 60 * kMinute;
constexpr Range kAny{};

// Functions to the members of the list and of the image whose turn it is.
#define LAYBY_AT(member) \
  [](Slot s) -> auto& { return s.list.member; }
#define LAYBY_OF(member) \
  [](Slot s) -> auto& { return s.list.images[s.item].member; }

}  // namespace

const Keys& prefetch_keys() {
  static const Keys keys{
      {"every", Kind::kDuration, LAYBY_AT(every), Range{kMinute, kYear},
       "How often all images of the list are looked at, and what is new is fetched."},
      {"window", Kind::kOptionalWindow, LAYBY_AT(window), kAny,
       "The part of the day for that, in the time of this machine: `01:00-05:00`; it may go over "
       "midnight. Empty for the whole day."},
      {"max_rate", Kind::kRate, LAYBY_AT(max_rate), kAny,
       "How fast it may fetch, in bytes a second. 0 sets no limit but `upstream.max_rate`."},
      {"concurrency", Kind::kCount, LAYBY_AT(concurrency), Range{1, 64},
       "How many blobs it fetches at one time."},
      {"hold", Kind::kDuration, LAYBY_AT(hold), Range{0, kYear},
       "How long a tag that moved keeps its old image, where that is whole, until the new one is "
       "whole as well. After it, pulls get the new one and wait for its blobs."},
      {"images", Kind::kObjects,
       Objects{[](Slot s) { return s.list.images.size(); },
               [](Slot s, std::size_t n) {
                 s.list.images.clear();
                 s.list.images.resize(n);
               }},
       kAny, "The images."},

      {"images[].image", Kind::kImage, LAYBY_OF(image), kAny,
       "The image as for `docker pull`, without a tag: `python`, `ghcr.io/acme/tool`.", true},
      {"images[].tags", Kind::kTagPatterns, LAYBY_OF(tags), Range{1},
       "Which tags: `3.13-slim`, patterns such as `3.12-*`, ranges of versions such as `>=3.12 "
       "<3.14 -slim`."},
      {"images[].platforms", Kind::kPlatforms, LAYBY_OF(platforms), Range{1},
       "Which platforms of them. Others still come when they are pulled."},
      {"images[].attestations", Kind::kFlag, LAYBY_OF(attestations), kAny,
       "Whether the attestations of these platforms (SBOM, provenance) are fetched as well."},
      {"images[].pin", Kind::kFlag, LAYBY_OF(pin), kAny,
       "Whether they stay when the cache is full, as after `layby pin`."},
  };
  return keys;
}

#undef LAYBY_AT
#undef LAYBY_OF

}  // namespace layby::app
