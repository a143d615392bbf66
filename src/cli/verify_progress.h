// SPDX-License-Identifier: Apache-2.0
//
// What `layby verify` shows of a check of all stored blobs: how far it is, and in the
// end what came of it. Pure: the figures come from /stats, the time from the caller.

#ifndef LAYBY_SRC_CLI_VERIFY_PROGRESS_H_
#define LAYBY_SRC_CLI_VERIFY_PROGRESS_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cli/screen.h"
#include "layby/base/result.h"

namespace layby::cli {

// One look at the check, out of /stats.
struct Check {
  bool running = false;  // As was asked for; the slow one that goes on by itself is not ours.
  std::uint64_t checked_blobs = 0;
  std::uint64_t checked_bytes = 0;
  std::uint64_t bad_blobs = 0;
  std::uint64_t stored_bytes = 0;
  std::uint64_t daemon_uptime_seconds = 0;
  std::string json;  // The member "scrub", on one line.
};

// kInvalid when `stats` tells nothing of checks.
Result<Check> read_check(std::string_view stats);

class VerifyProgress {
 public:
  // Where the check is: at work, at its end, or gone with the daemon that ran it.
  enum class State { kRunning, kDone, kLost };

  explicit VerifyProgress(const Screen& screen) : screen_(screen) {}

  // Takes a look, `elapsed` after the check was asked for.
  State take(const Check& check, std::chrono::milliseconds elapsed);

  // What to print after it: on a terminal the line again, in its place; elsewhere a
  // line every ten seconds, and nothing between.
  std::string line();

  // What makes room on a terminal for other lines.
  std::string clear() const;

  // Of the last look.
  std::string verdict() const;
  bool all_good() const { return last_->bad_blobs == 0; }
  const std::string& json() const { return last_->json; }

 private:
  std::string words() const;

  const Screen screen_;
  std::optional<Check> first_;
  std::optional<Check> last_;
  std::chrono::milliseconds first_at_{0};
  std::chrono::milliseconds last_at_{0};
  std::chrono::milliseconds printed_at_{0};
};

}  // namespace layby::cli

#endif  // LAYBY_SRC_CLI_VERIFY_PROGRESS_H_
