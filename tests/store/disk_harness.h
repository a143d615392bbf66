// SPDX-License-Identifier: Apache-2.0
//
// A DiskStore on a real disk with a real loop and helper threads, for the contract suite and
// the tests of the disk. reopen() is a clean restart.

#ifndef LAYBY_TESTS_STORE_DISK_HARNESS_H_
#define LAYBY_TESTS_STORE_DISK_HARNESS_H_

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "layby/store/disk_store.h"
#include "support/fake_clock.h"
#include "support/temp_dir.h"

namespace layby::testing {

// Turns `loop` until `condition` holds; fails the test after twenty seconds.
inline void turn_loop_until(event::Loop& loop, const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  bool held = condition();
  Handle timer;
  std::function<void()> look = [&] {
    held = condition();
    if (held || std::chrono::steady_clock::now() > deadline) return loop.stop();
    timer = loop.after(std::chrono::milliseconds(1), look);
  };
  if (held) return;
  timer = loop.after(std::chrono::milliseconds(0), look);
  loop.run();
  if (!held) ADD_FAILURE() << "the test waited for a condition that never held";
}

class DiskHarness {
 public:
  DiskHarness() : folder_(std::make_unique<TempDir>()), data_dir_(folder_->path() + "/data") {
    open_again();
  }
  explicit DiskHarness(std::string data_dir) : data_dir_(std::move(data_dir)) { open_again(); }

  store::DiskStore& store() { return *store_; }
  event::Loop& loop() { return *loop_; }
  FakeClock& clock() { return clock_; }
  Counters& counters() { return counters_; }
  events::Events& events() { return events_; }
  const std::string& data_dir() const { return data_dir_; }
  store::Options options() const {
    store::Options options;
    options.data_dir = data_dir_;
    if (change_options_) change_options_(options);
    return options;
  }
  // Changes the options of stores that are opened later.
  void change_options(std::function<void(store::Options&)> change) {
    change_options_ = std::move(change);
  }

  void turn_until(const std::function<bool()>& condition) { turn_loop_until(*loop_, condition); }

  // Another store on the same folder.
  Result<std::unique_ptr<store::DiskStore>> open() {
    return store::DiskStore::open(options(), *loop_, *workers_, clock_, counters_, events_);
  }
  // Finishes all queued work and closes the store, so that its folder is free.
  void close() {
    store_.reset();
    workers_.reset();
  }
  void open_again() {
    workers_ = std::make_unique<event::Workers>(2);
    auto opened = open();
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    store_ = *std::move(opened);
  }
  void reopen() {
    close();
    open_again();
  }

 private:
  const std::unique_ptr<TempDir> folder_;  // Null when the test gives a folder.
  const std::string data_dir_;
  std::function<void(store::Options&)> change_options_;
  FakeClock clock_;
  Counters counters_;
  events::Events events_;
  std::unique_ptr<event::Loop> loop_ = *event::Loop::create();
  std::unique_ptr<event::Workers> workers_;
  std::unique_ptr<store::DiskStore> store_;
};

}  // namespace layby::testing

#endif  // LAYBY_TESTS_STORE_DISK_HARNESS_H_
