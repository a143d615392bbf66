// SPDX-License-Identifier: Apache-2.0
//
// Whether content that is here may be given in the name of a repository. It is stored
// once for all of them, and some of it came from a repository that needs credentials:
// that is given in another one only when upstream has it there too. Lives on the loop
// thread.

#ifndef LAYBY_CACHE_PERMITS_H_
#define LAYBY_CACHE_PERMITS_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "cache/request.h"
#include "layby/cache/cache.h"

namespace layby::cache {

class Permits {
 public:
  Permits(const Rules& rules, Store& store, Timers& timers, Counters& counters)
      : rules_(rules), store_(store), timers_(timers), counters_(counters) {}

  // Whether upstream has to be asked first.
  bool is_needed(const Origin& origin, const std::string& repository,
                 const oci::Digest& digest) const {
    return store_.access(digest, {origin.name, repository}) == Access::kUnknown;
  }

  // Upstream gave it in this repository, or said that it has it there.
  void note_given(const Origin& origin, const std::string& repository, const oci::Digest& digest) {
    const bool is_private = origin.guards(repository);
    if (is_private || is_needed(origin, repository, digest)) {
      store_.grant(digest, {origin.name, repository});
    }
  }

  // Asks upstream whether the repository has it, and calls `go_on` for `done` when it has.
  template <typename T>
  Handle blob(const Origin& origin, const std::string& repository, const oci::Digest& digest,
              std::function<Handle(Cache::Done<T>)> go_on, Cache::Done<T> done) {
    return ask<BlobHead, T>(
        Ask::kBlob, origin, repository, digest,
        [&upstream = *origin.upstream, repository, digest](Cache::Done<BlobHead> answer) {
          return upstream.head_blob(repository, digest, std::move(answer));
        },
        std::move(go_on), std::move(done));
  }
  template <typename T>
  Handle manifest(const Origin& origin, const std::string& repository, const oci::Digest& digest,
                  std::function<Handle(Cache::Done<T>)> go_on, Cache::Done<T> done) {
    return ask<ManifestHead, T>(
        Ask::kTagCheck, origin, repository, digest,
        [this, &upstream = *origin.upstream, repository, digest](Cache::Done<ManifestHead> answer) {
          return upstream.head_manifest(repository, digest, rules_.request_timeout,
                                        std::move(answer));
        },
        std::move(go_on), std::move(done));
  }

 private:
  // A question, and what follows on it.
  template <typename T>
  class TwoSteps final : public Operation {
   public:
    TwoSteps(std::function<Handle(Cache::Done<T>)> go_on, Cache::Done<T> done)
        : go_on_(std::move(go_on)), done_(std::move(done)) {}

    void set_first(Handle first) { step_ = std::move(first); }
    void on_first(const Status& status) {
      const auto done = std::move(done_);
      if (!status.ok()) return done(status.error());  // May destroy this.
      const std::weak_ptr<bool> alive = alive_;
      Handle next = go_on_(done);
      if (!alive.expired()) step_ = std::move(next);
    }

   private:
    const std::function<Handle(Cache::Done<T>)> go_on_;
    Cache::Done<T> done_;
    Handle step_;
    const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  };

  template <typename Head, typename T>
  Handle ask(Ask kind, const Origin& origin, const std::string& repository,
             const oci::Digest& digest, typename Request<Head>::Start start,
             std::function<Handle(Cache::Done<T>)> go_on, Cache::Done<T> done) {
    if (const auto refused = origin.upstream->refusal(kind)) {
      done(*refused);
      return nullptr;
    }
    auto steps = std::make_unique<TwoSteps<T>>(std::move(go_on), std::move(done));
    steps->set_first(request<Head>(
        rules_.retry, timers_, counters_, std::move(start),
        [this, steps = steps.get(), &origin, repository, digest](const Result<Head>& head) {
          if (head.ok()) note_given(origin, repository, digest);
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

#endif  // LAYBY_CACHE_PERMITS_H_
