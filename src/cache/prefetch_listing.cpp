// SPDX-License-Identifier: Apache-2.0
//
// The first part of a run fetches upstream's list of tags for each image whose patterns need the
// list, one image after the other. If upstream's list can't be fetched, the run takes the cached
// tags instead.

#include <algorithm>
#include <cassert>
#include <utility>

#include "cache/prefetch_run.h"

namespace layby::cache {
namespace {

constexpr std::uint64_t kTagsAPage = 1000;

}  // namespace

void PrefetchRun::start_listing() {
  if (listings_.empty() || listing_) return;
  Listing& listing = listings_.front();
  Upstream& upstream = *listing.image->origin->upstream;
  if (const auto error = gives_up(upstream, Ask::kList)) {
    take_cached_tags(*error);
    return start_listing();
  }
  if (put_off(listing.pause) || put_off(upstream, Ask::kList)) return;
  const std::string last = listing.tags.empty() ? "" : listing.tags.back();
  listing_ = upstream.get_tags(listing.image->repository, {kTagsAPage, last},
                               [this](Result<TagPage> page) { on_tags(std::move(page)); });
}

void PrefetchRun::on_tags(Result<TagPage> page) {
  assert(listing_ && !listings_.empty());
  const Handle over = std::move(listing_);
  soon();
  Listing& listing = listings_.front();
  if (page.ok()) {
    // A page that ends with the same tag as the previous page is the last page: the next request
    // would get the same page again.
    const bool more = page->more && !page->tags.empty() &&
                      (listing.tags.empty() || page->tags.back() != listing.tags.back());
    listing.failures = 0;
    for (std::string& tag : page->tags) listing.tags.push_back(std::move(tag));
    if (!more) end_listing();
    return;
  }
  const bool may_retry = !is_refusal(page.error()) && depth_ == Depth::kWhole;
  if (may_retry && ++listing.failures < kMostFailures) {
    listing.pause = {context_.clock.steady_now() + kFirstRetry * (1 << listing.failures),
                     page.error().message};
    return;
  }
  take_cached_tags(page.error());
}

void PrefetchRun::take_cached_tags(const Error& error) {
  Listing& listing = listings_.front();
  const PrefetchImage& image = *listing.image;
  troubles_.push_back(
      image.repository +
      ": its tags can't be listed; the cached tags are taken instead: " + error.message);
  listing.tags = context_.store.list_tags(image.origin->name, image.repository);
  end_listing();
}

void PrefetchRun::end_listing() {
  assert(!listings_.empty());
  const Listing listing = std::move(listings_.front());
  listings_.erase(listings_.begin());
  for (const std::string& tag : listing.tags) {
    for (const policy::TagPattern& pattern : listing.image->tags) {
      if (pattern.matches(tag)) add_job(*listing.image, tag);
    }
  }
  for (const policy::TagPattern& pattern : listing.image->tags) {
    const bool matches = std::any_of(listing.tags.begin(), listing.tags.end(),
                                     [&](const std::string& tag) { return pattern.matches(tag); });
    if (matches || pattern.exact()) continue;
    troubles_.push_back(listing.image->repository + ": no tag matches " + pattern.text() +
                        "; correct the pattern in the prefetch list");
  }
}

}  // namespace layby::cache
