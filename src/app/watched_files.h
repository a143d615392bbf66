// SPDX-License-Identifier: Apache-2.0
//
// Files that a helper thread reads at the start, and again when one of them has changed. Lives
// on the loop thread. Invariant: at most one reading is under way, while reading_ is true.

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
    // Returns a function that reads the files on a helper thread.
    std::function<std::function<Content()>()> reader;
    // Gets what was read, on the loop thread.
    std::function<void(Content)> on_read;
  };

  // Nothing is read before look(). What is passed by reference outlives this.
  WatchedFiles(event::Loop& loop, event::Workers& workers, std::vector<std::string> files,
               Calls calls)
      : loop_(loop), workers_(workers), files_(std::move(files)), calls_(std::move(calls)) {}

  // Blocks on the disk.
  static Marks marks_of(const std::vector<std::string>& files) {
    Marks marks;
    for (const std::string& file : files) marks.push_back(mark_of(file));
    return marks;
  }

  // The files were read when they had these marks.
  void set_read(Marks marks) {
    assert(marks.size() == files_.size());
    marks_ = std::move(marks);
  }

  // Reads the files if they have changed since they were read, and looks again every kFileLook.
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

  // Reads the files even if they look unchanged.
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
  std::optional<Marks> marks_;  // Of the files when they were read.
  bool reading_ = false;
  Handle timer_;
  Lifetime lifetime_;
};

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_WATCHED_FILES_H_
