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
// The clear gain of a trial, as a share of what the new connections bring if they are as fast as
// the connections before. The rates of a full link vary by a quarter.
constexpr double kGain = 0.5;
// A blob that comes within this time isn't split. A trial costs the bytes that are on the way when
// the first request is cut, so after a failed trial more must be at stake.
constexpr double kWorthSeconds = 2;
constexpr double kWorthSecondsAfterFailure = 10;
constexpr double kPartSeconds = 3;
constexpr double kLeastPartSeconds = 1;
// A rest of fewer of the least parts isn't split.
constexpr std::uint64_t kWorthParts = 8;
// So many of the least parts are far while the rate isn't known.
constexpr std::uint64_t kFarParts = 4;
constexpr milliseconds kLongestPause{60'000};
// How long a trial says something about the link.
constexpr std::chrono::minutes kKnown{5};

// The ticks whose mean is the usual rate.
constexpr int kUsualTicks = 8;
// A gain is proven by the rates of this time, by half of what a trial must gain.
constexpr std::chrono::seconds kProof{4};
constexpr double kProvenGain = 0.25;

}  // namespace

void SplitTrials::note_rate(int connections, double bytes_per_second, SteadyTime now) {
  Usual& usual =
      usual_.at(std::min(static_cast<std::size_t>(std::max(connections, 0)), kMostCounted));
  if (now - usual.at > kKnown) usual = {};
  usual.ticks = std::min(usual.ticks + 1, kUsualTicks);
  usual.bytes_per_second += (bytes_per_second - usual.bytes_per_second) / usual.ticks;
  usual.at = now;
}

double SplitTrials::usual_rate(int connections, SteadyTime now) const {
  double highest = 0;
  for (std::size_t i = 0; i < usual_.size() && static_cast<int>(i) <= connections; ++i) {
    if (now - usual_.at(i).at <= kKnown) highest = std::max(highest, usual_.at(i).bytes_per_second);
  }
  return highest;
}

// An earlier gain that isn't proven yet stays, because the later gain rests on it.
void SplitTrials::note_gain(const Gain& gain) {
  if (!gain_) gain_ = gain;
}

void SplitTrials::prove_gain(SteadyTime now) {
  if (!gain_ || now < gain_->at + kProof) return;
  double rate = 0;
  for (auto i = static_cast<std::size_t>(gain_->connections) + 1; i < usual_.size(); ++i) {
    if (usual_.at(i).at > gain_->at) rate = std::max(rate, usual_.at(i).bytes_per_second);
  }
  if (rate == 0) return;  // No blob has come over more connections since.
  if (rate < gain_->needed) {
    connections_ = gain_->connections_before;
    pause(now);
  }
  gain_.reset();
}

void SplitTrials::pause(SteadyTime now) {
  next_ = now + pause_;
  pause_ = std::min(2 * pause_, kLongestPause);
}

Split::Split(const SplitRules& rules, int most, SplitTrials& link, SteadyTime now)
    : rules_(rules), most_(std::max(most, 1)), link_(link) {
  if (now < link_.known_until_) connections_ = std::min(link_.connections_, most_);
}

void Split::on_gap() {
  if (before_) connections_ = connections_before_;
  end_trial();
  last_.reset();
  ticks_ = 0;
}

void Split::give_up() {
  end_trial();
  connections_ = 1;
  on_gap();
}

void Split::on_tick(SteadyTime now, const SplitBytes& bytes) {
  const auto last = std::exchange(last_, Sample{now, bytes});
  if (!last || now <= last->at || bytes.own < last->bytes.own) return;
  const double seconds = std::chrono::duration<double>(now - last->at).count();
  const Rates rates{static_cast<double>(bytes.own - last->bytes.own) / seconds,
                    static_cast<double>(bytes.all - last->bytes.all) / seconds};
  const bool is_same_count = last->bytes.connections == bytes.connections;
  if (is_same_count) link_.note_rate(bytes.connections, rates.all, now);
  const bool is_steady = rates.own <= kSteady * last_rates_.own;
  const Rates best = {std::max(rates.own, last_rates_.own), std::max(rates.all, last_rates_.all)};
  rates_ = {(rates.own + last_rates_.own) / 2, (rates.all + last_rates_.all) / 2};
  last_rates_ = rates;
  ++ticks_;
  if (now >= link_.known_until_) link_.pause_ = SplitTrials::kFirstPause;
  link_.prove_gain(now);
  // A trial of another blob failed, or a gain was taken back.
  if (now < link_.next_ && !before_ && connections_ > link_.connections_) {
    connections_ = link_.connections_;
    ticks_ = 0;
  }
  // Parts that end within one tick make a dip, so the best ticks are compared.
  if (before_ && ticks_ >= kSettle + kMeasure) judge(now, best);
  if (is_steady && ticks_ >= kMeasure && may_try(now, bytes.left)) {
    begin_trial(now, best, bytes.connections);
  }
}

void Split::begin_trial(SteadyTime now, const Rates& before, int connections_of_all) {
  link_.under_way_ = this;
  all_before_ = connections_of_all;
  before_ = {before.own, std::max(before.all, link_.usual_rate(connections_of_all, now))};
  connections_before_ = connections_;
  connections_ = std::min(2 * connections_, most_);
  ticks_ = 0;
}

void Split::judge(SteadyTime now, const Rates& rates) {
  assert(before_);
  const double more = static_cast<double>(connections_ - connections_before_) / connections_before_;
  const bool gained = rates.all >= before_->all + kGain * more * before_->own;
  const double needed = link_.usual_rate(all_before_, now) + kProvenGain * more * before_->own;
  end_trial();
  // The rates of a successful trial are the rates before the next trial.
  ticks_ = gained ? kMeasure : 0;
  link_.known_until_ = now + kKnown;
  link_.connections_ = gained ? connections_ : std::min(link_.connections_, connections_before_);
  if (gained) {
    link_.pause_ = SplitTrials::kFirstPause;
    link_.note_gain({now, all_before_, connections_before_, needed});
    return;
  }
  connections_ = connections_before_;
  link_.pause(now);
}

void Split::end_trial() {
  assert(before_.has_value() == (link_.under_way_ == this));
  if (!before_) return;
  before_.reset();
  link_.under_way_ = nullptr;
}

bool Split::may_try(SteadyTime now, std::uint64_t left_bytes) const {
  if (link_.under_way_ != nullptr || now < link_.next_ || connections_ >= most_) return false;
  const bool failed_before = link_.pause_ > SplitTrials::kFirstPause;
  const double worth = failed_before ? kWorthSecondsAfterFailure : kWorthSeconds;
  return left_bytes >= kWorthParts * rules_.least_part_bytes &&
         static_cast<double>(left_bytes) > worth * rates_.own;
}

std::uint64_t Split::part_bytes(std::uint64_t left_bytes) const {
  // Until new connections have become fast, the rate is the rate of the connections before.
  const int connections = before_ && ticks_ <= kSettle ? connections_before_ : connections_;
  const double rate = rates_.own / connections;
  const auto steady = static_cast<std::uint64_t>(rate * kPartSeconds);
  const auto shortest = static_cast<std::uint64_t>(rate * kLeastPartSeconds);
  const std::uint64_t last = left_bytes / (2 * static_cast<std::uint64_t>(connections_));
  const std::uint64_t least = std::clamp(shortest, rules_.least_part_bytes, rules_.most_part_bytes);
  return std::clamp(std::min(steady, last), least, rules_.most_part_bytes);
}

bool Split::is_far(std::uint64_t distance) const {
  if (ticks_ == 0 && rates_.own == 0) return distance > kFarParts * rules_.least_part_bytes;
  return distance > rules_.least_part_bytes && static_cast<double>(distance) > rates_.own;
}

}  // namespace layby::policy
