// SPDX-License-Identifier: Apache-2.0
//
// Remembers refusals that upstream gave a moment ago. When a client asks again for a missing tag,
// manifest, blob or list, the remembered refusal is the answer, and upstream isn't asked. Lives on
// the loop thread. Invariant: errors_ has only refusals, at most kMost.

#ifndef LAYBY_CACHE_UNKNOWNS_H_
#define LAYBY_CACHE_UNKNOWNS_H_

#include <cassert>
#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "layby/base/clock.h"
#include "layby/base/result.h"
#include "layby/cache/upstream.h"

namespace layby::cache {

template <typename Key>
class Unknowns {
 public:
  // Both arguments outlive the Unknowns. `unknown_for` may change.
  Unknowns(const std::chrono::milliseconds& unknown_for, const Clock& clock)
      : unknown_for_(unknown_for), clock_(clock) {}

  // `error` is upstream's refusal.
  void note(const Key& key, const Error& error) {
    assert(is_refusal(error));
    if (unknown_for_.count() == 0) return;
    if (errors_.size() >= kMost) make_room();
    errors_.insert_or_assign(key, Noted{error, clock_.steady_now() + unknown_for_});
    assert(errors_.size() <= kMost);
  }

  std::optional<Error> find(const Key& key) {
    const auto at = errors_.find(key);
    if (at == errors_.end()) return std::nullopt;
    if (clock_.steady_now() < at->second.until) return at->second.error;
    errors_.erase(at);
    return std::nullopt;
  }

 private:
  struct Noted {
    Error error;
    SteadyTime until;
  };
  // Names come from clients, so the number of remembered names is bounded.
  static constexpr std::size_t kMost = 4096;

  void make_room() {
    std::erase_if(errors_, [now = clock_.steady_now()](const auto& entry) {
      return entry.second.until <= now;
    });
    if (errors_.size() >= kMost) errors_.clear();
  }

  const std::chrono::milliseconds& unknown_for_;
  const Clock& clock_;
  std::map<Key, Noted> errors_;
};

// The key has an origin, and the name of its content, such as "library/debian@sha256:...".
struct Origin;
using UnknownContent = Unknowns<std::pair<const Origin*, std::string>>;

}  // namespace layby::cache

#endif  // LAYBY_CACHE_UNKNOWNS_H_
