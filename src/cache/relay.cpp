// SPDX-License-Identifier: Apache-2.0
//
// Turns each call of Upstream into a Question, and the Answer back into the call's own type.
// Invariant: an Answer has the type that its Question asks for.

#include "layby/cache/relay.h"

#include <cassert>
#include <utility>

namespace layby::cache {
namespace {

using std::chrono::milliseconds;

// Wraps `done` to take an Answer, which must have type T.
template <typename T>
Upstream::Done<Answer> from_any(Upstream::Done<T> done) {
  return [done = std::move(done)](Result<Answer> answer) {
    if (!answer.ok()) return done(std::move(answer).error());
    T* const of_kind = std::get_if<T>(&*answer);
    assert(of_kind != nullptr);
    done(std::move(*of_kind));
  };
}

// Wraps `done` to take an answer of type T.
template <typename T>
Upstream::Done<T> to_any(Upstream::Done<Answer> done) {
  return [done = std::move(done)](Result<T> answer) {
    if (!answer.ok()) return done(std::move(answer).error());
    done(Answer(std::in_place_type<T>, std::move(*answer)));
  };
}

}  // namespace

template <typename T, typename Put>
Handle Relay::ask(Ask kind, const std::string& repository, std::optional<oci::Reference> reference,
                  milliseconds deadline, Put put, Done<T> done) {
  return relay(
      {kind, repository, std::move(reference), deadline, std::exchange(next_askers_, nullptr),
       [put = std::move(put)](Upstream& upstream, milliseconds left, Done<Answer> answer) {
         return put(upstream, left, to_any<T>(std::move(answer)));
       }},
      from_any(std::move(done)));
}

Handle Relay::head_manifest(const std::string& repository, const oci::Reference& reference,
                            milliseconds deadline, Done<ManifestHead> done) {
  return ask<ManifestHead>(
      Ask::kTagCheck, repository, reference, deadline,
      [repository, reference](Upstream& upstream, milliseconds left, auto answer) {
        return upstream.head_manifest(repository, reference, left, std::move(answer));
      },
      std::move(done));
}

Handle Relay::get_manifest(const std::string& repository, const oci::Reference& reference,
                           Done<ManifestBody> done) {
  return ask<ManifestBody>(
      Ask::kManifest, repository, reference, kNoDeadline,
      [repository, reference](Upstream& upstream, milliseconds, auto answer) {
        return upstream.get_manifest(repository, reference, std::move(answer));
      },
      std::move(done));
}

Handle Relay::head_blob(const std::string& repository, const oci::Digest& digest,
                        Done<BlobHead> done) {
  return ask<BlobHead>(
      Ask::kBlob, repository, digest, kNoDeadline,
      [repository, digest](Upstream& upstream, milliseconds, auto answer) {
        return upstream.head_blob(repository, digest, std::move(answer));
      },
      std::move(done));
}

Handle Relay::get_tags(const std::string& repository, const TagPageRequest& page,
                       Done<TagPage> done) {
  return ask<TagPage>(
      Ask::kList, repository, std::nullopt, kNoDeadline,
      [repository, page](Upstream& upstream, milliseconds, auto answer) {
        return upstream.get_tags(repository, page, std::move(answer));
      },
      std::move(done));
}

Handle Relay::get_referrers(const std::string& repository, const oci::Digest& digest,
                            const std::string& artifact_type, Done<std::string> done) {
  return ask<std::string>(
      Ask::kList, repository, digest, kNoDeadline,
      [repository, digest, artifact_type](Upstream& upstream, milliseconds, auto answer) {
        return upstream.get_referrers(repository, digest, artifact_type, std::move(answer));
      },
      std::move(done));
}

}  // namespace layby::cache
