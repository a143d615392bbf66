// SPDX-License-Identifier: Apache-2.0
//
// A batch is one write at the end of the newer file. A line that a crash cut off is
// completed by the next batch's first line end, and left out when it is read.

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

namespace layby::store {
namespace {

constexpr std::chrono::minutes kWriteAfter{1};
// What is read of one file, however large someone made it.
constexpr std::uint64_t kMaxReadBytes = 16 << 20;

std::string folder_of(const std::string& data_dir) { return data_dir + "/events"; }
std::string newer_of(const std::string& folder) { return folder + "/newer.jsonl"; }
std::string older_of(const std::string& folder) { return folder + "/older.jsonl"; }

void read_records(const std::string& path, std::vector<events::Record>& records) {
  if (::access(path.c_str(), F_OK) != 0) return;
  const Result<std::string> text = read_file(path, kMaxReadBytes);
  if (!text) return log::warn("{}; events of earlier runs are lost", text.error().message);
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    if (auto record = events::parse_record(line)) records.push_back(*std::move(record));
  }
}

}  // namespace

struct EventJournal::Files {
  const std::string folder;
  const std::uint64_t max_file_bytes;
  bool failing = false;  // Told once, until a write succeeds.

  Status append(const std::string& lines) {
    if (Status made = make_directories(folder); !made) return made;
    const std::string path = newer_of(folder);
    UniqueFd fd = open(path);
    struct stat info {};
    if (!fd || ::fstat(fd.get(), &info) != 0) return errno_error("open " + path, errno);
    auto size = static_cast<std::uint64_t>(info.st_size);
    if (size > 0 && size + lines.size() > max_file_bytes) {
      if (::rename(path.c_str(), older_of(folder).c_str()) != 0) {
        return errno_error("rename " + path, errno);
      }
      fd = open(path);
      if (!fd) return errno_error("open " + path, errno);
      size = 0;
    }
    if (Status written = write_at(fd.get(), lines, size); !written) return written;
    if (::fdatasync(fd.get()) != 0) return errno_error("fdatasync " + path, errno);
    return {};
  }

  static UniqueFd open(const std::string& path) {
    return UniqueFd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640));
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
    : files_(std::make_shared<Files>(Files{folder_of(data_dir), max_file_bytes})),
      loop_(loop),
      lane_(workers.make_long_lane()) {}

EventJournal::~EventJournal() {
  if (!lines_.empty()) write();
}

void EventJournal::append(const events::Record& record) {
  // A batch begins with a line end, since a crash may have cut off the line before it.
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
      log::error("events are not kept on the disk: {}", written.error().message);
    }
  });
}

}  // namespace layby::store
