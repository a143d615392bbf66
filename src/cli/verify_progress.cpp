// SPDX-License-Identifier: Apache-2.0
//
// The rate is the mean since first_. The daemon counts a blob only after the blob's check, so a
// rate over a few seconds would jump. Invariants: first_ is the first Check that take() accepted,
// last_ is the latest; no count in last_ is below the same count in first_.

#include "cli/verify_progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

#include "cli/answer.h"
#include "layby/base/bytes.h"

namespace layby::cli {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPlainLineEvery{10'000};
constexpr milliseconds kSoonestRate{1'000};  // The rate of a shorter span predicts nothing.

std::uint64_t rate(std::uint64_t checked_bytes, milliseconds elapsed) {
  return static_cast<std::uint64_t>(static_cast<double>(checked_bytes) * 1000.0 /
                                    static_cast<double>(elapsed.count()));
}

}  // namespace

Result<Check> read_check(std::string_view stats) {
  const Result<Json> answer = parse_answer(stats);
  if (!answer) return answer.error();
  const Json& scrub = at(*answer, "/scrub");
  if (!scrub.is_object()) {
    return Error{
        ErrorCode::kInvalid,
        "the daemon's /stats has no figures of a check; is the daemon of another version?"};
  }
  Check check;
  check.running = flag(scrub, "/running") && flag(scrub, "/on_demand");
  check.checked_blobs = number(scrub, "/checked_blobs");
  check.checked_bytes = number(scrub, "/checked_bytes");
  check.bad_blobs = number(scrub, "/bad_blobs");
  check.stored_bytes = number(*answer, "/store/blob_bytes");
  check.daemon_uptime_seconds = number(*answer, "/uptime_seconds");
  check.json = scrub.dump();
  return check;
}

VerifyProgress::State VerifyProgress::take(const Check& check, milliseconds elapsed) {
  assert(elapsed >= last_at_);
  // The number of checked blobs only rises during a check, so a smaller number belongs to another
  // check. A shorter uptime means that the daemon was restarted.
  if (last_ && (check.checked_blobs < last_->checked_blobs ||
                check.daemon_uptime_seconds < last_->daemon_uptime_seconds)) {
    return State::kLost;
  }
  if (!first_) {
    first_ = check;
    first_at_ = elapsed;
  }
  last_ = check;
  last_at_ = elapsed;
  return check.running ? State::kRunning : State::kDone;
}

std::string VerifyProgress::words() const {
  assert(first_ && last_);
  assert(last_->checked_blobs >= first_->checked_blobs && last_at_ >= first_at_);
  const std::uint64_t checked = last_->checked_bytes;
  const std::uint64_t stored = std::max(last_->stored_bytes, checked);
  std::string words = fmt::format("{}  {} of {}", percent(share_of(checked, stored)),
                                  format_bytes(checked), format_bytes(stored));
  const milliseconds elapsed = last_at_ - first_at_;
  const std::uint64_t since_first = checked - std::min(checked, first_->checked_bytes);
  if (elapsed >= kSoonestRate && since_first > 0) {
    const std::uint64_t bytes_per_second = std::max<std::uint64_t>(1, rate(since_first, elapsed));
    words += fmt::format(", {}/s, {} left", format_bytes(bytes_per_second),
                         duration((stored - checked) / bytes_per_second));
  }
  if (last_->bad_blobs > 0) words += fmt::format(", {} bad", last_->bad_blobs);
  return words;
}

std::string VerifyProgress::line() {
  if (screen_.is_terminal) {
    // The last column stays free, because some terminals wrap when the last column is written.
    const auto room = static_cast<std::size_t>(std::max(screen_.columns - 1, 1));
    return fmt::format("\r{}\x1b[K", words().substr(0, room));
  }
  if (last_at_ - printed_at_ < kPlainLineEvery) return "";
  printed_at_ = last_at_;
  return words() + "\n";
}

std::string VerifyProgress::clear() const { return screen_.is_terminal ? "\r\x1b[K" : ""; }

std::string VerifyProgress::verdict() const {
  assert(last_ && !last_->running);
  const std::string all = fmt::format("{}, {}, ", how_many(last_->checked_blobs, "blob"),
                                      format_bytes(last_->checked_bytes));
  if (all_good()) return all + "all good\n";
  return fmt::format("{}{} bad\nBad blobs were set aside; the next pull fetches them again.\n", all,
                     last_->bad_blobs);
}

}  // namespace layby::cli
