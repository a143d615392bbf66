// SPDX-License-Identifier: Apache-2.0
//
// The tests kill a process that writes blobs to the store, after it has reported a given number of
// written pieces. Then every blob that the process reported as published is stored and whole, every
// blob in the index is whole, and the next fill resumes a half-written blob.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "layby/base/fd.h"
#include "store/disk_harness.h"
#include "support/store_test.h"
#include "support/temp_dir.h"

namespace layby::testing {
namespace {

constexpr std::size_t kBlobBytes = 300'000;
constexpr std::size_t kPieceBytes = 20'000;

std::string blob(unsigned number) { return some_bytes(kBlobBytes, number); }

// In the child: publishes blob after blob from `number` on. Reports each written piece ('w')
// and each published blob ('p') as a byte to `report`.
[[noreturn]] void write_for_ever(const std::string& data_dir, unsigned number, int report) {
  const auto say = [report](char what) {
    if (::write(report, &what, 1) != 1) std::_Exit(1);
  };
  DiskHarness harness(data_dir);
  for (;; ++number) {
    const std::string bytes = blob(number);
    WriterLog log;
    const auto writer = harness.store().write_blob(oci::Digest::of(bytes), log);
    harness.turn_until([&] { return log.ready() || log.ended(); });
    for (std::size_t at = *log.kept; at < bytes.size(); at += kPieceBytes) {
      const std::string piece = bytes.substr(at, kPieceBytes);
      writer->append(piece);
      harness.turn_until([&] { return log.written >= at + piece.size(); });
      say('w');
    }
    writer->finish();
    harness.turn_until([&] { return log.ended(); });
    if (!log.published()) std::_Exit(1);
    say('p');
  }
}

// Runs the child until `pieces` pieces are reported, then kills the child. Returns the number of
// blobs that the child reported as published.
unsigned run_and_kill(const std::string& data_dir, unsigned number, int pieces) {
  int pipe_ends[2];
  if (::pipe(pipe_ends) != 0) return 0;
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(pipe_ends[0]);
    write_for_ever(data_dir, number, pipe_ends[1]);
  }
  ::close(pipe_ends[1]);
  const UniqueFd reports(pipe_ends[0]);
  unsigned published = 0;
  char what = 0;
  const auto take = [&] { return ::read(reports.get(), &what, 1) == 1; };
  while (pieces > 0 && take()) {
    published += what == 'p' ? 1 : 0;
    pieces -= what == 'w' ? 1 : 0;
  }
  ::kill(child, SIGKILL);
  while (take()) published += what == 'p' ? 1 : 0;
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status)) << "the writing process ended before it was killed";
  return published;
}

void expect_whole(DiskHarness& harness, unsigned number, bool must_be_there) {
  const std::string bytes = blob(number);
  const auto found = harness.store().open_blob(oci::Digest::of(bytes));
  if (!found) {
    EXPECT_FALSE(must_be_there) << number;
    return;
  }
  EXPECT_TRUE(read_all(found->file->fd()) == bytes) << number;
}

TEST(Crash, PublishedBlobsSurviveKillsAtAnyPiece) {
  const TempDir folder;
  const std::string data_dir = folder.path() + "/data";
  unsigned published = 0;
  for (const int pieces : {1, 7, 15, 16, 29, 31, 45, 3}) {
    published += run_and_kill(data_dir, published, pieces);
    DiskHarness harness(data_dir);
    for (unsigned i = 0; i < published; ++i) expect_whole(harness, i, true);
    // The blob under way may have been published and not yet reported.
    expect_whole(harness, published, false);
    EXPECT_EQ(harness.counters().store_errors, 0u);
  }
  EXPECT_GE(published, 5u);
}

TEST(Crash, AFillResumesWhereTheKillStoppedIt) {
  const TempDir folder;
  const std::string data_dir = folder.path() + "/data";
  ASSERT_EQ(run_and_kill(data_dir, 0, 7), 0u);
  DiskHarness harness(data_dir);
  WriterLog log;
  const auto writer = harness.store().write_blob(oci::Digest::of(blob(0)), log);
  harness.turn_until([&] { return log.ready(); });
  EXPECT_GE(*log.kept, 7 * kPieceBytes);
  writer->append(blob(0).substr(*log.kept));
  writer->finish();
  harness.turn_until([&] { return log.ended(); });
  EXPECT_TRUE(log.published());
}

TEST(Crash, TheLockOfAKilledProcessIsFree) {
  const TempDir folder;
  run_and_kill(folder.path() + "/data", 0, 1);
  const DiskHarness harness(folder.path() + "/data");
  EXPECT_TRUE(std::filesystem::exists(folder.path() + "/data/lock"));
}

}  // namespace
}  // namespace layby::testing
