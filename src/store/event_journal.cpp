// SPDX-License-Identifier: Apache-2.0
//
// A batch is appended to the newer file in one write. A crash may cut off the last line: the next
// batch then ends this line, and read() skips the line.

#include "layby/store/event_journal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <sstream>
#include <utility>

#include "layby/base/fd.h"
#include "layby/base/log.h"
#include "store/aside.h"

namespace layby::store {
namespace {

constexpr std::chrono::minutes kWriteAfter{1};
// A journal file larger than this is not read at all.
constexpr std::uint64_t kMaxReadBytes = 16 << 20;

std::string folder_of(const std::string& data_dir) { return data_dir + "/events"; }
std::string newer_of(const std::string& folder) { return folder + "/newer.jsonl"; }
std::string older_of(const std::string& folder) { return folder + "/older.jsonl"; }

struct JournalFile {
  UniqueFd fd;
  std::uint64_t size_bytes = 0;
};

Result<JournalFile> open_file(const std::string& path, int flags) {
  Result<UniqueFd> fd = open_regular(path, flags);
  if (!fd) return fd.error();
  struct stat info {};
  if (!*fd) return errno_error("open " + path, ENOENT);
  if (::fstat(fd->get(), &info) != 0) return errno_error("look at " + path, errno);
  return JournalFile{*std::move(fd), static_cast<std::uint64_t>(info.st_size)};
}

Result<std::string> read_text(const std::string& path) {
  const Result<JournalFile> file = open_file(path, O_RDONLY);
  if (!file) return file.error();
  if (file->size_bytes > kMaxReadBytes) return Error{ErrorCode::kInvalid, path + " is too large"};
  std::string text(file->size_bytes, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got =
        ::pread(file->fd.get(), text.data() + size, text.size() - size, static_cast<off_t>(size));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error("read " + path, errno);
    if (got == 0) break;  // Somebody made the file shorter.
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  return text;
}

void read_records(const std::string& path, std::vector<events::Record>& records) {
  const Result<std::string> text = read_text(path);
  if (!text && text.error().code == ErrorCode::kNotFound) return;
  if (!text) return log::warn("{}; events of earlier runs are lost", text.error().message);
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    if (auto record = events::parse_record(line)) records.push_back(*std::move(record));
  }
}

}  // namespace

struct EventJournal::Files {
  const std::string data_dir;
  const std::uint64_t max_file_bytes;
  bool failing = false;  // The last write failed, and the log says so.

  Status append(const std::string& lines) {
    const std::string folder = folder_of(data_dir);
    if (Status made = make_directories(folder); !made) return made;
    const std::string path = newer_of(folder);
    for (const std::string& place : {path, older_of(folder)}) {
      if (Status cleared = clear_place(data_dir, place); !cleared) return cleared;
    }
    Result<JournalFile> file = open_file(path, O_WRONLY | O_CREAT);
    if (file && file->size_bytes > 0 && file->size_bytes + lines.size() > max_file_bytes) {
      if (::rename(path.c_str(), older_of(folder).c_str()) != 0) {
        return errno_error("rename " + path, errno);
      }
      file = open_file(path, O_WRONLY | O_CREAT);
    }
    if (!file) return file.error();
    const int fd = file->fd.get();
    if (Status written = write_at(fd, lines, file->size_bytes); !written) return written;
    if (::fdatasync(fd) != 0) return errno_error("fdatasync " + path, errno);
    return {};
  }
};

std::vector<events::Record> EventJournal::read(const std::string& data_dir) {
  std::vector<events::Record> records;
  read_records(older_of(folder_of(data_dir)), records);
  read_records(newer_of(folder_of(data_dir)), records);
  return records;
}

EventJournal::EventJournal(const std::string& data_dir, event::Loop& loop, event::Workers& workers,
                           std::uint64_t max_file_bytes)
    : files_(std::make_shared<Files>(Files{data_dir, max_file_bytes})),
      loop_(loop),
      lane_(workers.make_long_lane()) {}

EventJournal::~EventJournal() {
  if (!lines_.empty()) write();
}

void EventJournal::append(const events::Record& record) {
  // A batch begins with a line end, since a crash may have cut off the file's last line.
  if (lines_.empty()) lines_ += '\n';
  lines_ += events::to_json(record);
  lines_ += '\n';
  if (!timer_) timer_ = loop_.after(kWriteAfter, [this] { write(); });
}

void EventJournal::write() {
  assert(!lines_.empty());
  timer_.reset();
  lane_.submit([files = files_, lines = std::exchange(lines_, {})] {
    const Status written = files->append(lines);
    if (written.ok()) {
      files->failing = false;
    } else if (!std::exchange(files->failing, true)) {
      log::error("events aren't kept on the disk: {}; free some space, or check the disk",
                 written.error().message);
    }
  });
}

}  // namespace layby::store
