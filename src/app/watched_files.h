// SPDX-License-Identifier: Apache-2.0
//
// Watches files: a helper thread reads the files at the first look(), and again after a file has
// changed. Lives on the loop thread. Invariant: reading_ is true exactly while a helper thread
// reads; at most one reading is under way.

#ifndef LAYBY_SRC_APP_WATCHED_FILES_H_
#define LAYBY_SRC_APP_WATCHED_FILES_H_

#include <cassert>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "app/file_mark.h"
#include "layby/base/lifetime.h"
#include "layby/event/loop.h"
#include "layby/event/workers.h"

namespace layby::app {

template <typename Content>
class WatchedFiles {
 public:
  using Marks = std::vector<FileMark>;
  struct Calls {
    // Called on the loop thread; returns the function that a helper thread calls to read the files.
    std::function<std::function<Content()>()> reader;
    // Gets the content of the files, on the loop thread.
    std::function<void(Content)> on_read;
  };

  // Nothing is read before look(). `loop` and `workers` outlive the WatchedFiles.
  WatchedFiles(event::Loop& loop, event::Workers& workers, std::vector<std::string> files,
               Calls calls)
      : loop_(loop), workers_(workers), files_(std::move(files)), calls_(std::move(calls)) {}

  // The marks of `files` now. Blocks on the disk.
  static Marks marks_of(const std::vector<std::string>& files) {
    Marks marks;
    for (const std::string& file : files) marks.push_back(mark_of(file));
    return marks;
  }

  // Says that the caller has read the files, and which marks the files had then.
  void set_read(Marks marks) {
    assert(marks.size() == files_.size());
    marks_ = std::move(marks);
  }

  // Reads the files if a file has changed since the last reading. Looks again every kFileLook.
  void look() {
    timer_ = loop_.after(kFileLook, [this] { look(); });
    if (std::exchange(reading_, true)) return;
    auto done = lifetime_.guard([this](Reading reading) { on_read(std::move(reading)); });
    workers_.submit([&loop = loop_, files = files_, known = marks_, read = calls_.reader(),
                     done = std::move(done)] {
      Reading reading{marks_of(files), std::nullopt};
      if (known != reading.marks) reading.content = read();
      loop.post([done, reading = std::move(reading)]() mutable { done(std::move(reading)); });
    });
  }

  // Reads the files even if they look unchanged. If a reading is under way and finds the files
  // unchanged, the next look() reads them.
  void reload() {
    marks_.reset();
    look();
  }

 private:
  struct Reading {
    Marks marks;
    std::optional<Content> content;  // Set if the marks have changed.
  };

  void on_read(Reading reading) {
    assert(reading_);
    reading_ = false;
    if (!reading.content) return;
    marks_ = std::move(reading.marks);
    calls_.on_read(std::move(*reading.content));
  }

  event::Loop& loop_;
  event::Workers& workers_;
  const std::vector<std::string> files_;
  const Calls calls_;
  std::optional<Marks> marks_;  // The files' marks at the last reading.
  bool reading_ = false;
  Handle timer_;
  Lifetime lifetime_;
};

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_WATCHED_FILES_H_
