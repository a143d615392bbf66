// SPDX-License-Identifier: Apache-2.0
//
// Decides when the tokens of repositories in use are renewed, so that a pull seldom waits for a
// token. A repository is in use for kInUse after the last request for it. Each token is renewed
// after a random part of its life, so that the tokens that were fetched together aren't renewed
// together. Loop thread only.
//
// Invariants: at most kMost repositories are known, each once; two renewals begin at least kGap
// apart; no renewal begins within kPause after a failed renewal.

#ifndef LAYBY_UPSTREAM_TOKEN_RENEWALS_H_
#define LAYBY_UPSTREAM_TOKEN_RENEWALS_H_

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "layby/base/async.h"
#include "layby/base/clock.h"

namespace layby::upstream {

class TokenRenewals {
 public:
  // The token server of a registry gets at most this many renewals in the life of a token.
  static constexpr std::size_t kMost = 16;
  static constexpr std::chrono::minutes kInUse{5};
  static constexpr std::chrono::milliseconds kGap{500};
  static constexpr std::chrono::minutes kPause{5};

  // `renew` begins the renewal of a repository's token. References outlive the renewals.
  TokenRenewals(Timers& timers, const Clock& clock,
                std::function<void(const std::string& repository)> renew);

  // Notes that a request uses the repository's token, which is good until `expires_at`.
  void on_used(const std::string& repository, SteadyTime expires_at);
  // Notes that the repository has a new token. Doesn't count as a use of the repository.
  void on_renewed(const std::string& repository, SteadyTime expires_at);
  // The repository has no token any more, or its renewal failed.
  void forget(const std::string& repository);
  // Begins no renewal for kPause, because the token server doesn't answer, or refuses.
  void pause();

 private:
  struct Entry {
    std::string repository;
    SteadyTime used_at;
    SteadyTime due;
    SteadyTime expires_at;
  };

  Entry* find(const std::string& repository);
  void make_room();
  SteadyTime next_due(SteadyTime expires_at) const;
  void arm();
  void on_due();

  Timers& timers_;
  const Clock& clock_;
  const std::function<void(const std::string&)> renew_;
  std::vector<Entry> entries_;
  SteadyTime not_before_{};  // No renewal begins earlier.
  Handle timer_;             // Set for the entry that is due first.
};

}  // namespace layby::upstream

#endif  // LAYBY_UPSTREAM_TOKEN_RENEWALS_H_
