// SPDX-License-Identifier: Apache-2.0
//
// The rate of all blobs judges a trial, because a blob that only takes a larger share of a full
// link gains nothing for the site.

#include "layby/policy/split.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace layby::policy {
namespace {

using std::chrono::milliseconds;

// A new connection needs about this many ticks to become fast.
constexpr int kSettle = 1;
// The rates of this many ticks are compared.
constexpr int kMeasure = 2;
// A steady rate rises by less than this factor within a tick. The first seconds of a connection
// aren't steady.
constexpr double kSteady = 1.25;
// The clear gain of a trial, as a share of the blob's rate before the trial.
constexpr double kGain = 0.2;
// A blob that comes within this time isn't split.
constexpr double kWorthSeconds = 2;
constexpr double kPartSeconds = 3;
// A rest of fewer of the least parts isn't split.
constexpr std::uint64_t kWorthParts = 8;
constexpr milliseconds kFirstPause{10'000};
constexpr milliseconds kLongestPause{60'000};

}  // namespace

Split::Split(const SplitRules& rules, int most)
    : rules_(rules), most_(std::max(most, 1)), pause_(kFirstPause) {}

void Split::on_gap() {
  last_.reset();
  ticks_ = 0;
}

void Split::give_up() {
  before_.reset();
  connections_ = 1;
  on_gap();
}

void Split::on_tick(SteadyTime now, const SplitBytes& bytes, bool may_try) {
  const auto last = std::exchange(last_, Sample{now, bytes});
  if (!last || now <= last->at || bytes.own < last->bytes.own) return;
  const double seconds = std::chrono::duration<double>(now - last->at).count();
  const Rates rates{static_cast<double>(bytes.own - last->bytes.own) / seconds,
                    static_cast<double>(bytes.all - last->bytes.all) / seconds};
  const bool is_steady = rates.own <= kSteady * last_rates_.own;
  const Rates best = {std::max(rates.own, last_rates_.own), std::max(rates.all, last_rates_.all)};
  rates_ = {(rates.own + last_rates_.own) / 2, (rates.all + last_rates_.all) / 2};
  last_rates_ = rates;
  ++ticks_;
  // Parts that end within one tick make a dip, so the best tick counts.
  if (before_ && ticks_ >= kSettle + kMeasure) judge(now, best);
  if (before_ || !may_try || !is_steady || ticks_ < kMeasure || now < next_trial_) return;
  if (!is_worth_a_trial(bytes.left)) return;
  before_ = rates_;
  connections_before_ = connections_;
  connections_ = std::min(2 * connections_, most_);
  ticks_ = 0;
}

void Split::judge(SteadyTime now, const Rates& rates) {
  assert(before_);
  const bool gained = rates.all >= before_->all + kGain * before_->own;
  before_.reset();
  // The rates of a successful trial are the rates before the next trial.
  ticks_ = gained ? kMeasure : 0;
  if (gained) {
    pause_ = kFirstPause;
    return;
  }
  connections_ = connections_before_;
  next_trial_ = now + pause_;
  pause_ = std::min(2 * pause_, kLongestPause);
}

bool Split::is_worth_a_trial(std::uint64_t left_bytes) const {
  if (connections_ >= most_ || left_bytes < kWorthParts * rules_.least_part_bytes) return false;
  return static_cast<double>(left_bytes) > kWorthSeconds * rates_.own;
}

std::uint64_t Split::part_bytes(std::uint64_t left_bytes) const {
  // Until new connections have become fast, the rate is the rate of the connections before.
  const int connections = before_ && ticks_ <= kSettle ? connections_before_ : connections_;
  const auto steady = static_cast<std::uint64_t>(rates_.own * kPartSeconds / connections);
  const std::uint64_t last = left_bytes / (2 * static_cast<std::uint64_t>(connections_));
  return std::clamp(std::min(steady, last), rules_.least_part_bytes, rules_.most_part_bytes);
}

bool Split::is_far(std::uint64_t distance) const {
  if (ticks_ == 0 && rates_.own == 0) return distance > rules_.least_part_bytes;
  return distance > rules_.least_part_bytes / 4 && static_cast<double>(distance) > rates_.own;
}

}  // namespace layby::policy
