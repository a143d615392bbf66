// SPDX-License-Identifier: Apache-2.0
//
// Checks whether stored content may be served in a repository. Content is stored once for all
// repositories. Content from a private repository is served in another repository only after
// upstream confirmed that the other repository has the content too. Lives on the loop thread.

#ifndef LAYBY_CACHE_GRANT_CHECKS_H_
#define LAYBY_CACHE_GRANT_CHECKS_H_

#include <cassert>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "cache/with_retries.h"
#include "layby/base/lifetime.h"
#include "layby/cache/cache.h"

namespace layby::cache {

class GrantChecks {
 public:
  GrantChecks(const Rules& rules, Store& store, Timers& timers, Counters& counters)
      : rules_(rules), store_(store), timers_(timers), counters_(counters) {}

  // Whether upstream must be asked before the content is served in this repository.
  bool is_needed(const Origin& origin, const std::string& repository,
                 const oci::Digest& digest) const {
    return store_.grant_state(digest, {origin.name, repository}) == GrantState::kUnknown;
  }

  // Notes that upstream served the content in this repository, or confirmed that the repository
  // has the content.
  void note_granted(const Origin& origin, const std::string& repository,
                    const oci::Digest& digest) {
    const bool is_private = origin.keeps_private(repository);
    if (is_private || is_needed(origin, repository, digest)) {
      store_.grant(digest, {origin.name, repository});
    }
  }

  // Asks upstream whether the repository has the content. If so, calls `go_on` with `done`;
  // otherwise calls `done` with the error.
  template <typename T>
  Handle blob(const Origin& origin, const std::string& repository, const oci::Digest& digest,
              std::function<Handle(Cache::Done<T>)> go_on, Cache::Done<T> done,
              const IpAddress& client) {
    return ask<BlobHead, T>(
        Ask::kBlob, origin, repository, digest,
        [&upstream = *origin.upstream, repository, digest, client](Cache::Done<BlobHead> answer) {
          return upstream.on_behalf_of(client).head_blob(repository, digest, std::move(answer));
        },
        std::move(go_on), std::move(done));
  }
  template <typename T>
  Handle manifest(const Origin& origin, const std::string& repository, const oci::Digest& digest,
                  std::function<Handle(Cache::Done<T>)> go_on, Cache::Done<T> done,
                  const IpAddress& client) {
    return ask<ManifestHead, T>(
        Ask::kTagCheck, origin, repository, digest,
        [this, &upstream = *origin.upstream, repository, digest,
         client](Cache::Done<ManifestHead> answer) {
          return upstream.on_behalf_of(client).head_manifest(
              repository, digest, rules_.request_timeout, std::move(answer));
        },
        std::move(go_on), std::move(done));
  }

 private:
  // A question to upstream, and the step after a good answer.
  template <typename T>
  class TwoSteps final : public Operation {
   public:
    TwoSteps(std::function<Handle(Cache::Done<T>)> go_on, Cache::Done<T> done)
        : go_on_(std::move(go_on)), done_(std::move(done)) {
      assert(go_on_ && done_);
    }

    void set_first(Handle first) {
      assert(!step_);
      step_ = std::move(first);
    }
    void on_first(const Status& status) {
      assert(step_ && done_);
      // `done` and `go_on` may destroy this.
      const auto done = std::exchange(done_, nullptr);
      const auto go_on = std::exchange(go_on_, nullptr);
      if (!status.ok()) return done(status.error());
      const Lifetime::Watch life = life_.watch();
      Handle next = go_on(done);
      if (!life.ended()) step_ = std::move(next);
    }

   private:
    std::function<Handle(Cache::Done<T>)> go_on_;
    Cache::Done<T> done_;
    Handle step_;
    Lifetime life_;
  };

  template <typename Head, typename T>
  Handle ask(Ask kind, const Origin& origin, const std::string& repository,
             const oci::Digest& digest, typename Retried<Head>::Start start,
             std::function<Handle(Cache::Done<T>)> go_on, Cache::Done<T> done) {
    if (const auto refused = origin.upstream->why_not(kind)) {
      done(*refused);
      return nullptr;
    }
    auto steps = std::make_unique<TwoSteps<T>>(std::move(go_on), std::move(done));
    steps->set_first(with_retries<Head>(
        rules_.retry, timers_, counters_, std::move(start),
        [this, steps = steps.get(), &origin, repository, digest](const Result<Head>& head) {
          if (head.ok()) note_granted(origin, repository, digest);
          steps->on_first(head.ok() ? Status() : Status(head.error()));
        }));
    return steps;
  }

  const Rules& rules_;
  Store& store_;
  Timers& timers_;
  Counters& counters_;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_GRANT_CHECKS_H_
