// SPDX-License-Identifier: Apache-2.0
//
// Names the cache's images and blobs for events.

#ifndef LAYBY_CACHE_SUBJECT_H_
#define LAYBY_CACHE_SUBJECT_H_

#include <string>

#include "layby/cache/cache.h"
#include "layby/events/event.h"

namespace layby::cache {

// The result borrows the strings of `tag`.
inline events::Subject subject_of(const TagKey& tag) {
  return {tag.upstream, tag.repository, tag.tag};
}

// The result borrows the strings of the arguments.
inline events::Subject subject_of(const Origin& origin, const std::string& repository,
                                  const oci::Digest& digest) {
  return {origin.name, repository, digest.str()};
}

}  // namespace layby::cache

#endif  // LAYBY_CACHE_SUBJECT_H_
