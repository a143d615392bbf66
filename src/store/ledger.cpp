// SPDX-License-Identifier: Apache-2.0
//
// The head of a record has the length twice, the second time with inverted bits. So the reader
// nearly always notices a damaged length before it hashes megabytes that are no payload.

#include "store/ledger.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "layby/base/log.h"
#include "layby/base/sha.h"
#include "store/aside.h"
#include "store/disk_error.h"
#include "store/folder_sync.h"
#include "store/records.h"

namespace layby::store {
namespace {

constexpr std::string_view kFileMark = "laybyLG1";
// The first bytes of a file that lacks changes.
constexpr std::string_view kIncompleteMark = "laybyLG0";
constexpr std::string_view kRecordMark("\0chg", 4);
constexpr std::size_t kSumBytes = 16;
constexpr std::size_t kHeadBytes = 4 + 4 + 4 + kSumBytes;
constexpr std::size_t kChangeBytes = 1 + 1 + 2;  // The part of a payload before the key.
constexpr std::size_t kBlockBytes = 64 << 10;

void put_integer(std::string& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) {
    out += static_cast<char>(static_cast<unsigned char>(value >> (8 * i)));
  }
}

std::uint64_t integer_at(std::string_view bytes, std::size_t at, std::size_t size) {
  assert(at + size <= bytes.size());
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) {
    value |= std::uint64_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
  }
  return value;
}

std::string sum_of(std::string_view payload) {
  Sha sha(ShaKind::kSha256);
  sha.update(payload);
  return sha.finish_hex().substr(0, kSumBytes);
}

// The length of the payload that `head` announces; nullopt if `head` isn't the head of a record.
std::optional<std::size_t> payload_length(std::string_view head) {
  if (head.size() < kHeadBytes || !head.starts_with(kRecordMark)) return std::nullopt;
  const std::uint64_t length = integer_at(head, 4, 4);
  const bool agrees = (length ^ integer_at(head, 8, 4)) == 0xffffffff;
  if (!agrees || length < kChangeBytes || length > LedgerReader::kMaxPayloadBytes) {
    return std::nullopt;
  }
  return static_cast<std::size_t>(length);
}

std::optional<Change> decode(std::string_view payload) {
  if (payload.size() < kChangeBytes) return std::nullopt;
  const auto table = static_cast<unsigned char>(payload[0]);
  const auto erased = static_cast<unsigned char>(payload[1]);
  const auto key_size = static_cast<std::size_t>(integer_at(payload, 2, 2));
  const bool known = table >= 1 && table <= 6 && erased <= 1;
  const bool fits =
      key_size >= 1 && key_size <= kMaxKeyBytes && key_size <= payload.size() - kChangeBytes;
  if (!known || !fits) return std::nullopt;
  const std::string_view value = payload.substr(kChangeBytes + key_size);
  if (erased == 1 && !value.empty()) return std::nullopt;
  return Change{static_cast<LedgerTable>(table), erased == 1,
                payload.substr(kChangeBytes, key_size), value};
}

Result<std::string> read_at(int fd, std::uint64_t offset, std::size_t size) {
  std::string bytes(size, '\0');
  std::size_t got = 0;
  while (got < size) {
    const ssize_t more =
        ::pread(fd, bytes.data() + got, size - got, static_cast<off_t>(offset + got));
    if (more < 0 && errno == EINTR) continue;
    if (more < 0) return errno_error("read the ledger", errno);
    if (more == 0) break;
    got += static_cast<std::size_t>(more);
  }
  bytes.resize(got);
  return bytes;
}

}  // namespace

std::string encode(const Change& change) {
  assert(!change.key.empty() && change.key.size() <= kMaxKeyBytes);
  assert(!change.erased || change.value.empty());
  std::string payload;
  payload += static_cast<char>(change.table);
  payload += change.erased ? '\1' : '\0';
  put_integer(payload, change.key.size(), 2);
  payload += change.key;
  payload += change.value;
  std::string record(kRecordMark);
  put_integer(record, payload.size(), 4);
  put_integer(record, ~static_cast<std::uint64_t>(payload.size()), 4);
  record += sum_of(payload);
  return record + payload;
}

Result<bool> LedgerReader::has_record_at(std::uint64_t offset) {
  const Result<std::string> head = source_(offset, kHeadBytes);
  if (!head) return head.error();
  const auto length = payload_length(*head);
  if (!length) return false;
  Result<std::string> payload = source_(offset + kHeadBytes, *length);
  if (!payload) return std::move(payload).error();
  const bool sound = payload->size() == *length &&
                     sum_of(*payload) == std::string_view(*head).substr(12) && decode(*payload);
  if (!sound) return false;
  payload_ = *std::move(payload);
  end_ = offset + kHeadBytes + *length;
  return true;
}

// The offset of the next mark at `offset` or later; the end of the file when there is none.
Result<std::uint64_t> LedgerReader::find_mark(std::uint64_t offset) {
  for (;;) {
    const Result<std::string> block = source_(offset, kBlockBytes);
    if (!block) return block.error();
    const auto at = block->find(kRecordMark);
    if (at != std::string::npos) return offset + at;
    if (block->size() < kBlockBytes) return offset + block->size();
    offset += kBlockBytes - (kRecordMark.size() - 1);  // A mark may cross the border of two blocks.
  }
}

Result<std::optional<Change>> LedgerReader::next() {
  if (offset_ == 0) {
    const Result<std::string> mark = source_(0, kFileMark.size());
    if (!mark) return mark.error();
    marked_whole_ = *mark == kFileMark;
    if (marked_whole_ || *mark == kIncompleteMark) offset_ = kFileMark.size();
  }
  for (;;) {
    const Result<bool> found = has_record_at(offset_);
    if (!found) return found.error();
    if (*found) {
      offset_ = end_;
      return decode(payload_);
    }
    // The search begins one byte later, because the damaged record may begin with a mark.
    const Result<std::string> more = source_(offset_, 1);
    if (!more) return more.error();
    if (more->empty()) return std::optional<Change>();
    const Result<std::uint64_t> mark = find_mark(offset_ + 1);
    if (!mark) return mark.error();
    assert(*mark > offset_);
    skipped_bytes_ += *mark - offset_;
    offset_ = *mark;
  }
}

Status Ledger::open() {
  for (const std::string& place : {path(), folder() + "/new"}) {
    if (Status cleared = clear_place(data_dir_, place); !cleared) return cleared;
  }
  Result<UniqueFd> file = open_regular(path(), O_RDWR);
  if (!file) return std::move(file).error();
  file_ = *std::move(file);
  struct stat info {};
  if (file_ && ::fstat(file_.get(), &info) != 0) return disk_error("look at", path(), errno);
  size_bytes_ = static_cast<std::uint64_t>(info.st_size);
  base_bytes_ = 0;
  whole_ = false;
  return {};
}

std::string Ledger::note() const {
  std::string note;
  put_integer(note, size_bytes_, 8);
  put_integer(note, base_bytes_, 8);
  put_integer(note, last_at_, 8);
  return note + last_head_;
}

LedgerReader::Source Ledger::source() const {
  return
      [this](std::uint64_t offset, std::size_t size) { return read_at(file_.get(), offset, size); };
}

bool Ledger::resume(std::string_view note, bool after_start) {
  constexpr std::size_t kIntegerBytes = 24;
  if (!file_ || note.size() < kIntegerBytes || integer_at(note, 0, 8) != size_bytes_) return false;
  const std::uint64_t last_at = integer_at(note, 16, 8);
  const std::string_view head = note.substr(kIntegerBytes);
  const Result<std::string> found = read_at(file_.get(), last_at, head.size());
  if (!found || *found != head) return false;
  if (after_start && !is_sound_from(integer_at(note, 8, 8))) return false;
  base_bytes_ = integer_at(note, 8, 8);
  last_at_ = last_at;
  last_head_ = head;
  whole_ = true;
  return true;
}

// A power cut may damage any bytes that were written after the last sync. The file was synced when
// it had `base` bytes, so the check begins there.
bool Ledger::is_sound_from(std::uint64_t base) const {
  LedgerReader reader(source(), base);
  for (;;) {
    const Result<std::optional<Change>> change = reader.next();
    if (!change) return false;
    if (!change->has_value()) return reader.skipped_bytes() == 0;
  }
}

Result<bool> Ledger::read(const std::function<Status(const Change&)>& take) const {
  if (!file_) return false;
  LedgerReader reader(source());
  for (;;) {
    const Result<std::optional<Change>> change = reader.next();
    if (!change) return change.error();
    if (!change->has_value()) break;
    if (Status taken = take(**change); !taken) return taken.error();
  }
  if (reader.skipped_bytes() > 0) {
    log::warn("{} has {} damaged bytes, which are skipped", path(), reader.skipped_bytes());
  }
  return reader.is_complete();
}

// Notes where the last record of `records` begins in the file. `at` is the place of `records` in
// the file.
void Ledger::note_last(std::string_view records, std::uint64_t at) {
  for (std::size_t next = 0; next < records.size();) {
    const auto length = payload_length(records.substr(next));
    assert(length);
    last_at_ = at + next;
    last_head_ = std::string(records.substr(next, kHeadBytes));
    next += kHeadBytes + length.value_or(records.size());
  }
}

Status Ledger::append_at_end(std::string_view records, bool durable) {
  struct stat info {};
  if (!file_ || ::fstat(file_.get(), &info) != 0 || info.st_nlink == 0) {
    return Error{ErrorCode::kIo, path() + " was removed"};
  }
  if (static_cast<std::uint64_t>(info.st_size) != size_bytes_) {
    return Error{ErrorCode::kCorrupt, path() + " was changed by another program"};
  }
  if (Status written = write_at(file_.get(), records, size_bytes_); !written) {
    // The file is cut to its old length, so that it still ends with a whole record.
    [[maybe_unused]] const int cut = ::ftruncate(file_.get(), static_cast<off_t>(info.st_size));
    return written;
  }
  if (durable && ::fdatasync(file_.get()) != 0) return disk_error("sync", path(), errno);
  note_last(records, size_bytes_);
  size_bytes_ += records.size();
  return {};
}

Status Ledger::append(std::string_view records, bool durable) {
  Status appended = append_at_end(records, durable);
  if (!appended) {
    whole_ = false;
    mark_incomplete();
  }
  return appended;
}

// The mark replaces the first bytes of the file, so it needs no room on a full disk. If the mark
// can't be written either, only this process knows that the ledger isn't whole.
void Ledger::mark_incomplete() {
  if (!file_) return;
  Status marked = write_at(file_.get(), kIncompleteMark, 0);
  if (marked.ok() && ::fdatasync(file_.get()) != 0) marked = disk_error("sync", path(), errno);
  if (!marked) log::error("{} can't be marked as incomplete: {}", path(), marked.error().message);
}

Status Ledger::write_new(const std::string& path, const std::function<Status(const Write&)>& give) {
  ::unlink(path.c_str());
  Result<UniqueFd> made = open_regular(path, O_RDWR | O_CREAT | O_EXCL);
  if (!made) return std::move(made).error();
  if (!*made) return disk_error("open", path, ENOENT);
  std::string block(kFileMark);
  std::uint64_t at = 0;
  last_at_ = 0;
  last_head_.clear();
  const auto flush = [&]() -> Status {
    Status written = write_at(made->get(), block, at);
    at += block.size();
    block.clear();
    return written;
  };
  Status given = give([&](std::string_view record) -> Status {
    note_last(record, at + block.size());
    block += record;
    return block.size() < kBlockBytes ? Status() : flush();
  });
  if (!given) return given;
  if (Status written = flush(); !written) return written;
  if (::fdatasync(made->get()) != 0) return disk_error("sync", path, errno);
  file_ = *std::move(made);
  base_bytes_ = size_bytes_ = at;
  return {};
}

Status Ledger::rewrite(const std::function<Status(const Write& write)>& give) {
  whole_ = false;
  if (Status made = make_directories(folder()); !made) return made;
  const std::string fresh = folder() + "/new";
  if (Status written = write_new(fresh, give); !written) {
    ::unlink(fresh.c_str());
    return written;
  }
  if (std::rename(fresh.c_str(), path().c_str()) != 0) return disk_error("rename", fresh, errno);
  if (Status synced = sync_folder(folder()); !synced) return synced;
  if (Status synced = sync_folder(data_dir_); !synced) return synced;  // The folder may be new.
  whole_ = true;
  return {};
}

}  // namespace layby::store
