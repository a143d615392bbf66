// SPDX-License-Identifier: Apache-2.0
//
// The ledger is a file of the changes of manifests and their origins, tags, pins and grants. If the
// index is lost, the new index gets these entries from the ledger. FORMAT.md specifies the file. A
// Ledger is used while the index is opened, and later only in the commit lane; size_bytes() may be
// called from any thread. Invariant: while whole() is true, the changes in the file, made in order,
// give the present tables. Calls may block.

#ifndef LAYBY_STORE_LEDGER_H_
#define LAYBY_STORE_LEDGER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "layby/base/fd.h"
#include "layby/base/result.h"

namespace layby::store {

enum class LedgerTable : char {
  kManifests = 1,
  kTags = 2,
  kPins = 3,
  kListPins = 4,
  kGrants = 5,
  kOrigins = 6
};

// One entry of a table was put or erased. Key and value have the same bytes as in the index.
struct Change {
  LedgerTable table;
  bool erased = false;
  std::string_view key;
  std::string_view value;  // Empty for an erased entry.
  bool operator==(const Change&) const = default;
};

// The record of a change, with its checksum. The key has at most 511 bytes, as in LMDB.
std::string encode(const Change& change);

// Reads the changes of a ledger, oldest first. The reader skips a damaged record, and goes on at
// the next record whose checksum holds. The reader needs memory for one record only.
class LedgerReader {
 public:
  static constexpr std::size_t kMaxPayloadBytes = 5 << 20;  // The largest manifest has 4 MiB.

  // Gives `size` bytes at `offset`, or fewer bytes at the end of the file.
  using Source = std::function<Result<std::string>(std::uint64_t offset, std::size_t size)>;
  // `offset` is 0, or the offset of a record.
  explicit LedgerReader(Source source, std::uint64_t offset = 0)
      : source_(std::move(source)), offset_(offset) {}

  // The next change, which is valid until the next call; nullopt at the end of the file.
  Result<std::optional<Change>> next();
  // The number of bytes so far that belong to no sound record.
  std::uint64_t skipped_bytes() const { return skipped_bytes_; }
  // Whether the file says that it has all changes, and no byte was skipped so far.
  bool is_complete() const { return marked_whole_ && skipped_bytes_ == 0; }

 private:
  Result<bool> has_record_at(std::uint64_t offset);
  Result<std::uint64_t> find_mark(std::uint64_t offset);

  const Source source_;
  std::uint64_t offset_;
  std::uint64_t skipped_bytes_ = 0;
  bool marked_whole_ = false;
  std::string payload_;
  std::uint64_t end_ = 0;  // Where the record of payload_ ends.
};

class Ledger {
 public:
  explicit Ledger(std::string data_dir) : data_dir_(std::move(data_dir)) {}

  // Opens the file if it is there. The ledger isn't whole before resume() or rewrite().
  Status open();
  // Returns whether the ledger is whole: the file ends where `note` says. Before the start, a power
  // cut may have damaged the records after the last rewrite. So with `after_start`, resume() reads
  // these records too, and a file with a damaged record isn't whole.
  bool resume(std::string_view note, bool after_start = true);
  // Returns a note that tells resume() where the file ends.
  std::string note() const;

  // Passes all changes to `take`, in order, until `take` fails. Returns whether the file is
  // complete. A file that lost its last changes in a power cut still counts as complete. A missing
  // file has no changes and isn't complete.
  Result<bool> read(const std::function<Status(const Change&)>& take) const;
  // Appends records. If `durable` is set, the records are durable on return. After a failure the
  // ledger isn't whole, and the file has the mark of an incomplete ledger.
  Status append(std::string_view records, bool durable = false);
  // Writes a new file with the records that `give` passes to `write`, and replaces the old file
  // durably. Then the ledger is whole.
  using Write = std::function<Status(std::string_view record)>;
  Status rewrite(const std::function<Status(const Write& write)>& give);

  bool whole() const { return whole_; }
  // Whether the file has grown so much that a rewrite is due.
  bool is_long() const { return size_bytes_ > 2 * base_bytes_ + kSlackBytes; }
  std::uint64_t size_bytes() const { return size_bytes_; }

  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  static constexpr std::uint64_t kSlackBytes = 1 << 20;

 private:
  std::string folder() const { return data_dir_ + "/ledger"; }
  std::string path() const { return folder() + "/changes"; }
  LedgerReader::Source source() const;
  bool is_sound_from(std::uint64_t base) const;
  Status append_at_end(std::string_view records, bool durable);
  void mark_incomplete();
  Status write_new(const std::string& path, const std::function<Status(const Write&)>& give);
  void note_last(std::string_view records, std::uint64_t at);

  const std::string data_dir_;
  UniqueFd file_;
  std::atomic<std::uint64_t> size_bytes_ = 0;
  std::uint64_t base_bytes_ = 0;  // The size of the file after the last rewrite.
  std::uint64_t last_at_ = 0;     // Where the last record begins; 0 when there is none.
  std::string last_head_;         // The head of the last record.
  bool whole_ = false;
};

}  // namespace layby::store

#endif  // LAYBY_STORE_LEDGER_H_
