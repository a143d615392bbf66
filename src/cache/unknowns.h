// SPDX-License-Identifier: Apache-2.0
//
// What upstream said a moment ago it does not have, so that a client that asks again and
// again for a tag that isn't there asks this cache alone. Lives on the loop thread.

#ifndef LAYBY_CACHE_UNKNOWNS_H_
#define LAYBY_CACHE_UNKNOWNS_H_

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <utility>

#include "layby/base/clock.h"
#include "layby/base/result.h"

namespace layby::cache {

template <typename Key>
class Unknowns {
 public:
  Unknowns(std::chrono::milliseconds unknown_for, const Clock& clock)
      : unknown_for_(unknown_for), clock_(clock) {}

  // `error` is how it was refused.
  void note(const Key& key, const Error& error) {
    if (unknown_for_.count() == 0) return;
    if (errors_.size() >= kMost) make_room();
    errors_.insert_or_assign(key, Noted{error, clock_.steady_now() + unknown_for_});
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
  // Names come from clients.
  static constexpr std::size_t kMost = 4096;

  void make_room() {
    std::erase_if(errors_, [now = clock_.steady_now()](const auto& entry) {
      return entry.second.until <= now;
    });
    if (errors_.size() >= kMost) errors_.clear();
  }

  const std::chrono::milliseconds unknown_for_;
  const Clock& clock_;
  std::map<Key, Noted> errors_;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_UNKNOWNS_H_
