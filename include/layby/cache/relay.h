// SPDX-License-Identifier: Apache-2.0
//
// An upstream that stands before other upstreams, and what it passes on: every small question
// as one value. So a relay has one path for all questions, and a new question of Upstream is
// added to Relay alone. Blobs come in pieces, and pings are the relay's own business; neither
// is a Question. Lives on the loop thread.

#ifndef LAYBY_CACHE_RELAY_H_
#define LAYBY_CACHE_RELAY_H_

#include <chrono>
#include <functional>
#include <string>
#include <variant>

#include "layby/base/async.h"
#include "layby/cache/upstream.h"

namespace layby::cache {

// A good answer to any question.
using Answer = std::variant<ManifestHead, ManifestBody, BlobHead, TagPage, std::string>;

// For a question whose caller states no deadline.
inline constexpr std::chrono::milliseconds kNoDeadline = std::chrono::milliseconds::max();

struct Question {
  Ask ask = Ask::kList;
  std::chrono::milliseconds deadline = kNoDeadline;  // For everything, waits included.
  // Puts the question to an upstream, any number of times. Only a question with a deadline
  // looks at `deadline`, the time that is left. The answer is of the question's kind.
  std::function<Handle(Upstream& upstream, std::chrono::milliseconds deadline,
                       Upstream::Done<Answer> done)>
      put;
};

class Relay : public Upstream {
 public:
  Handle head_manifest(const std::string& repository, const oci::Reference& reference,
                       std::chrono::milliseconds deadline, Done<ManifestHead> done) final;
  Handle get_manifest(const std::string& repository, const oci::Reference& reference,
                      Done<ManifestBody> done) final;
  Handle head_blob(const std::string& repository, const oci::Digest& digest,
                   Done<BlobHead> done) final;
  Handle get_tags(const std::string& repository, const TagPageRequest& page,
                  Done<TagPage> done) final;
  Handle get_referrers(const std::string& repository, const oci::Digest& digest,
                       const std::string& artifact_type, Done<std::string> done) final;

 protected:
  // Puts `question` where it belongs, and calls `done` with an answer of its kind.
  virtual Handle relay(Question question, Done<Answer> done) = 0;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_RELAY_H_
