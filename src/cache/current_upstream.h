// SPDX-License-Identifier: Apache-2.0
//
// The upstream of an origin. A new configuration may replace the upstream, or remove it. A request
// goes to the upstream in force, and stays with that upstream until the request ends. A former
// upstream is destroyed a turn after its last request has ended, because a request may end inside a
// callback of its upstream. After the removal every new request fails. Lives on the loop thread, as
// long as the origin.
//
// Invariant: an upstream that was replaced or removed is destroyed one turn of the loop after the
// end of its last request, and never earlier.

#ifndef LAYBY_CACHE_CURRENT_UPSTREAM_H_
#define LAYBY_CACHE_CURRENT_UPSTREAM_H_

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "layby/base/lifetime.h"
#include "layby/cache/relay.h"

namespace layby::cache {

class CurrentUpstream final : public Relay {
 public:
  // `name` is the origin's name in messages. `former` destroys former upstreams. The referenced
  // objects outlive this.
  CurrentUpstream(std::string name, Graveyard& former, Timers& timers);
  ~CurrentUpstream() override;

  // Sends new requests to `next`. Null removes the upstream.
  void replace(std::shared_ptr<Upstream> next);

  void on_more_askers() override;
  std::unique_ptr<BlobTransfer> get_blob(const std::string& repository, const oci::Digest& digest,
                                         const BlobSpan& span, BlobSink& sink) override;
  Handle ping(std::chrono::milliseconds deadline, std::function<void(Status)> done) override;
  std::optional<policy::QuotaState> quota() const override;
  std::vector<std::string> boxes() const override;
  std::optional<Error> why_not(Ask ask) override;
  Patience patience(Ask ask) const override;

 private:
  class Stay;
  class Request;
  class Transfer;
  class NoTransfer;

  Handle relay(Question question, Done<Answer> done) override;
  // Returns a handle for `request`. The handle keeps the request's upstream alive until the request
  // ends.
  Handle staying(Handle request);
  Error removed() const;

  const std::string name_;
  Graveyard& former_;
  Timers& timers_;
  std::shared_ptr<Upstream> upstream_;  // Null after the removal.
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_CURRENT_UPSTREAM_H_
