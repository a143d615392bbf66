// SPDX-License-Identifier: Apache-2.0
//
// What events call the cache's images and blobs.

#ifndef LAYBY_CACHE_SUBJECT_H_
#define LAYBY_CACHE_SUBJECT_H_

#include <string>

#include "layby/cache/cache.h"
#include "layby/events/event.h"

namespace layby::cache {

// Borrows the parts of `tag`.
inline events::Subject subject_of(const TagKey& tag) {
  return {tag.upstream, tag.repository, tag.tag};
}

// Borrows its arguments.
inline events::Subject subject_of(const Origin& origin, const std::string& repository,
                                  const oci::Digest& digest) {
  return {origin.name, repository, digest.str()};
}

}  // namespace layby::cache

#endif  // LAYBY_CACHE_SUBJECT_H_
