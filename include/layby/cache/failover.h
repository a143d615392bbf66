// SPDX-License-Identifier: Apache-2.0
//
// Joins two sources of the same content. The parent, such as another Layby, is asked first; the
// registry is asked for everything that the parent doesn't give, and for a tag that the parent
// hasn't confirmed lately. So all content stays available when the parent fails. Lives on the loop
// thread.

#ifndef LAYBY_CACHE_FAILOVER_H_
#define LAYBY_CACHE_FAILOVER_H_

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "layby/base/async.h"
#include "layby/base/clock.h"
#include "layby/cache/relay.h"

namespace layby::cache {

class Failover final : public Relay {
 public:
  // A parent's answer about a tag suffices if the answer has at most this age. Otherwise the
  // registry is asked too.
  using AgeLimit =
      std::function<std::chrono::milliseconds(const std::string& repository, const oci::Tag& tag)>;

  // `clock` outlives the failover. Without `age_limit`, answers of any age are good.
  Failover(std::unique_ptr<Upstream> parent, std::unique_ptr<Upstream> registry, const Clock& clock,
           AgeLimit age_limit = nullptr)
      : parent_(std::move(parent)),
        registry_(std::move(registry)),
        clock_(clock),
        age_limit_(std::move(age_limit)) {}

  // Asks the registry when the parent fails before its first byte, or can't be asked. A later
  // failure goes to the caller, who asks again for the missing bytes. For a minute, the registry is
  // asked first for this blob, if the registry can be asked.
  std::unique_ptr<BlobTransfer> get_blob(const std::string& repository, const oci::Digest& digest,
                                         const BlobSpan& span, BlobSink& sink) override;
  void on_more_askers() override;
  Handle ping(std::chrono::milliseconds deadline, std::function<void(Status)> done) override;
  // The registry's pull limit. The parent's limit doesn't count, because content from the parent
  // costs this box no pull.
  std::optional<policy::QuotaState> quota() const override;
  std::vector<std::string> boxes() const override;
  // Set only when neither the parent nor the registry can be asked now.
  std::optional<Error> why_not(Ask ask) override;
  Patience patience(Ask ask) const override;

 private:
  class Transfer;
  class Either;

  // The parent gets half of the deadline, and the registry gets the rest. When the parent can't be
  // asked now, the registry gets the whole deadline.
  Handle relay(Question question, Done<Answer> done) override;
  bool is_too_old(const Question& question, const AnswerAge& age) const;
  // Whether the parent should be asked for this blob before the registry.
  bool prefers_parent(const oci::Digest& digest);
  // The parent failed in the middle of this blob.
  void note_broken(const oci::Digest& digest);

  const std::unique_ptr<Upstream> parent_;
  const std::unique_ptr<Upstream> registry_;
  const Clock& clock_;
  const AgeLimit age_limit_;
  // The blobs in whose middle the parent failed, and when it failed. At most kMostBroken.
  std::map<oci::Digest, SteadyTime> broken_;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_FAILOVER_H_
