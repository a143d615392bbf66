// SPDX-License-Identifier: Apache-2.0
//
// Notices when one client pulls the whole of one stored blob twice within a few minutes. Hardly any
// client does this, except a client whose copy didn't match the digest. A client is a
// counted_address(). At most kMost pulls are remembered; the oldest pull is forgotten first. Lives
// on the loop thread. Invariant: order_ and pulls_ have the same entries.

#ifndef LAYBY_CACHE_SECOND_PULLS_H_
#define LAYBY_CACHE_SECOND_PULLS_H_

#include <cassert>
#include <chrono>
#include <cstddef>
#include <deque>
#include <set>
#include <utility>

#include "layby/base/clock.h"
#include "layby/base/ip_address.h"
#include "layby/oci/digest.h"

namespace layby::cache {

class SecondPulls {
 public:
  static constexpr std::chrono::minutes kWithin{5};
  static constexpr std::size_t kMost = 4096;

  // Notes a pull at `now`. Returns whether `client` pulled the same blob within the last kWithin.
  bool note(const IpAddress& client, const oci::Digest& digest, SteadyTime now) {
    while (!order_.empty() && (order_.front().at + kWithin < now || order_.size() >= kMost)) {
      pulls_.erase(order_.front().pull);
      order_.pop_front();
    }
    assert(order_.size() == pulls_.size());
    Pull pull{counted_address(client), digest};
    if (!pulls_.insert(pull).second) return true;
    order_.push_back({now, std::move(pull)});
    return false;
  }

 private:
  using Pull = std::pair<IpAddress, oci::Digest>;
  struct Noted {
    SteadyTime at;
    Pull pull;
  };
  std::deque<Noted> order_;  // Oldest first.
  std::set<Pull> pulls_;
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_SECOND_PULLS_H_
