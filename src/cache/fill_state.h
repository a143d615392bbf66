// SPDX-License-Identifier: Apache-2.0
//
// The states of a fill. DESIGN.md has the state diagram.

#ifndef LAYBY_CACHE_FILL_STATE_H_
#define LAYBY_CACHE_FILL_STATE_H_

#include <string_view>

namespace layby::cache {

enum class FillState {
  kOpening,     // The writer opens the file and hashes the bytes of an earlier fill.
  kAsking,      // Upstream was asked for the missing bytes.
  kStreaming,   // The missing bytes come in.
  kJoining,     // The front has reached the bytes of a segment, and the fill appends these bytes.
  kWaiting,     // Upstream failed, and is asked again after a wait.
  kVerifying,   // All bytes are there; the writer compares the digest.
  kPublishing,  // The digest matches. Readers may finish while the writer publishes.
  kOver,        // The fill has succeeded or failed, and the table forgets it.
};

std::string_view to_string(FillState state);
// The arrows of the state diagram in DESIGN.md.
bool may_follow(FillState from, FillState to);

// Whether the blob's bytes go to the disk.
enum class Keeping {
  kUndecided,  // To the disk. Room was not asked yet, because upstream has not begun to send.
  kAsking,     // To the disk. Room was asked, and the transfer waits for the answer.
  kAdmitted,   // To the disk. There is room for all bytes.
  kStopping,   // The writer was told to stop, and reports on_unkept at its next write. A blob
               // that needs no further write is stored.
  kUnkept,     // The bytes pass through memory, and the blob will not be stored.
};

}  // namespace layby::cache

#endif  // LAYBY_CACHE_FILL_STATE_H_
