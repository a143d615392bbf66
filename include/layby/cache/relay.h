// SPDX-License-Identifier: Apache-2.0
//
// A relay is an Upstream that passes requests on to other upstreams. Each request, apart from
// get_blob() and ping(), is turned into a Question, so a relay has one path for all questions. A
// new kind of question changes Upstream, the registry and this class, but no class derived from
// Relay. Lives on the loop thread.

#ifndef LAYBY_CACHE_RELAY_H_
#define LAYBY_CACHE_RELAY_H_

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "layby/base/async.h"
#include "layby/cache/upstream.h"
#include "layby/oci/reference.h"

namespace layby::cache {

// A good answer to a question. The type depends on the question.
using Answer = std::variant<ManifestHead, ManifestBody, BlobHead, TagPage, std::string>;

// The deadline of a question whose caller sets no deadline.
inline constexpr std::chrono::milliseconds kNoDeadline = std::chrono::milliseconds::max();

struct Question {
  Ask ask = Ask::kList;
  std::string repository;
  std::optional<oci::Reference> reference;           // Empty for a list of tags.
  std::chrono::milliseconds deadline = kNoDeadline;  // Covers the waits too.
  Askers askers{};                                   // For whom; null for the box itself.
  // Asks `upstream`, after its on_behalf_of(). May be called any number of times. `deadline` is the
  // time that is left; a question without a deadline ignores `deadline`. The answer has the type
  // that the question asks for.
  std::function<Handle(Upstream& upstream, std::chrono::milliseconds deadline,
                       Upstream::Done<Answer> done)>
      put;
};

class Relay : public Upstream {
 public:
  using Upstream::on_behalf_of;
  Relay& on_behalf_of(Askers askers) final {
    next_askers_ = std::move(askers);
    return *this;
  }
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
  // A relay has no defaults: what it forgot to pass on would be lost without a trace.
  void on_more_askers() override = 0;
  std::vector<std::string> boxes() const override = 0;
  std::optional<Error> why_not(Ask ask) override = 0;
  Patience patience(Ask ask) const override = 0;

 protected:
  // Passes `question` on, and calls `done` with an answer of the type that the question asks for.
  virtual Handle relay(Question question, Done<Answer> done) = 0;

 private:
  // Passes on a question whose answer has the type T. `put` takes an upstream, the time that is
  // left, and a Done<T>.
  template <typename T, typename Put>
  Handle ask(Ask kind, const std::string& repository, std::optional<oci::Reference> reference,
             std::chrono::milliseconds deadline, Put put, Done<T> done);

  Askers next_askers_;  // Of on_behalf_of(), for the next question.
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_RELAY_H_
