// SPDX-License-Identifier: Apache-2.0
//
// The output of `layby verify`: the progress of a check of all stored blobs, and the
// verdict at the end. Pure: the figures come from /stats, the time from the caller.

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

// The state of the check at one moment, from /stats.
struct Check {
  bool running = false;  // True only for a check on demand, not for the slow scrub.
  std::uint64_t checked_blobs = 0;
  std::uint64_t checked_bytes = 0;
  std::uint64_t bad_blobs = 0;
  std::uint64_t stored_bytes = 0;
  std::uint64_t daemon_uptime_seconds = 0;
  std::string json;  // The member "scrub", on one line.
};

// kInvalid when `stats` has no figures of a check.
Result<Check> read_check(std::string_view stats);

class VerifyProgress {
 public:
  // The state of the check. A check is lost when the daemon was restarted or another check began.
  enum class State { kRunning, kDone, kLost };

  explicit VerifyProgress(const Screen& screen) : screen_(screen) {}

  // Takes the newest Check. `elapsed` is the time since the start of the check and never falls.
  State take(const Check& check, std::chrono::milliseconds elapsed);

  // The text to print after take(). A terminal gets the rewritten line after each take(); a file
  // gets a line every ten seconds.
  std::string line();

  // The text that clears the line on a terminal, to be written before other output.
  std::string clear() const;

  // The outcome of the check. Called only after take() has returned kDone.
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
