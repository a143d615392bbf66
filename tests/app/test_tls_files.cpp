// SPDX-License-Identifier: Apache-2.0
//
// The certificate's files: read at the start, loaded again when they change, and refused while
// they don't match. The loop is real; a test turns it until a condition holds.

#include "app/tls_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <vector>

#include "support/certificate.h"
#include "support/fake_clock.h"
#include "support/temp_dir.h"

namespace layby::app {
namespace {

using std::chrono::milliseconds;

class TlsFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto loop = event::Loop::create();
    ASSERT_TRUE(loop.ok());
    loop_ = std::move(*loop);
    workers_ = std::make_unique<event::Workers>(1);
    clock_.set_wall(WallTime(std::chrono::seconds(std::time(nullptr))));
    write("first");
  }
  void TearDown() override {
    tls_.reset();
    workers_.reset();
  }

  // Writes a new certificate and key, as files with times that no earlier file had.
  void write(const std::string& name) {
    testing::write_certificate(files_.certificate_file, files_.key_file, name);
    mark_anew(files_.certificate_file);
    mark_anew(files_.key_file);
  }
  void mark_anew(const std::string& file) {
    const std::array<timespec, 2> times{{{++second_, 0}, {second_, 0}}};
    ASSERT_EQ(::utimensat(AT_FDCWD, file.c_str(), times.data(), 0), 0);
  }
  void fill(const std::string& file, const std::string& text) {
    std::ofstream(file) << text;
    mark_anew(file);
  }

  Status load() {
    auto loaded = TlsFiles::load(files_, nullptr);
    if (!loaded.ok()) return loaded.error();
    tls_ = std::make_unique<TlsFiles>(
        TlsFiles::Context{*loop_, *workers_, clock_}, files_, *std::move(loaded),
        [this](auto identity) { changes_.push_back(name_of(*identity)); });
    settle();
    return {};
  }
  static std::string name_of(const server::TlsIdentity& identity) {
    std::array<char, 64> name{};
    X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_CTX_get0_certificate(identity.context())),
                              NID_commonName, name.data(), static_cast<int>(name.size()));
    return name.data();
  }
  std::string in_force() const { return name_of(*tls_->identity()); }

  // Reads the files now, and turns the loop until the result has been handled.
  void reload() {
    tls_->reload();
    settle();
  }
  // Waits for all earlier work, because one helper thread and the loop each run work in order.
  void settle() {
    bool settled = false;
    workers_->submit([this, &settled] {
      loop_->post([this, &settled] {
        settled = true;
        loop_->stop();
      });
    });
    const Handle deadline = loop_->after(milliseconds(10'000), [this] { loop_->stop(); });
    loop_->run();
    ASSERT_TRUE(settled);
  }
  // Waits until the checks, which run every kFileLook, have found `count` changes. Returns false
  // after 20 s.
  bool changes_become(std::size_t count) {
    bool late = false;
    const Handle deadline = loop_->after(milliseconds(20'000), [&] { late = true; });
    while (changes_.size() < count && !late) {
      const Handle next = loop_->after(milliseconds(10), [this] { loop_->stop(); });
      loop_->run();
    }
    return changes_.size() == count;
  }

  testing::TempDir folder_;
  server::TlsIdentity::Files files_{folder_.path() + "/certificate.pem",
                                    folder_.path() + "/key.pem"};
  testing::FakeClock clock_;
  std::unique_ptr<event::Loop> loop_;
  std::unique_ptr<event::Workers> workers_;
  std::unique_ptr<TlsFiles> tls_;
  std::vector<std::string> changes_;
  time_t second_ = 1'700'000'000;
};

TEST_F(TlsFilesTest, PairIsLoadedAtTheStart) {
  ASSERT_TRUE(load());
  EXPECT_EQ(in_force(), "first");
  EXPECT_TRUE(changes_.empty());
}

TEST_F(TlsFilesTest, UnusablePairPreventsTheStart) {
  fill(files_.key_file, "nonsense");
  const Status status = load();
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find(files_.key_file), std::string::npos);
}

TEST_F(TlsFilesTest, ChangedPairIsLoadedByItself) {
  ASSERT_TRUE(load());
  write("second");
  EXPECT_TRUE(changes_become(1));
  EXPECT_EQ(changes_, std::vector<std::string>{"second"});
  EXPECT_EQ(in_force(), "second");
}

TEST_F(TlsFilesTest, ReloadLoadsAChangedPairAtOnce) {
  ASSERT_TRUE(load());
  write("second");
  reload();
  EXPECT_EQ(changes_, std::vector<std::string>{"second"});
}

TEST_F(TlsFilesTest, OldPairStaysUntilARenewalIsComplete) {
  ASSERT_TRUE(load());
  const std::string beside = folder_.path() + "/beside.pem";
  testing::write_certificate(files_.certificate_file, beside, "second");
  mark_anew(files_.certificate_file);
  reload();
  EXPECT_TRUE(changes_.empty());
  EXPECT_EQ(in_force(), "first");

  std::filesystem::rename(beside, files_.key_file);
  EXPECT_TRUE(changes_become(1));
  EXPECT_EQ(in_force(), "second");
}

TEST_F(TlsFilesTest, OldPairStaysWhileFilesAreMissingOrInvalid) {
  ASSERT_TRUE(load());
  std::filesystem::remove(files_.key_file);
  reload();
  EXPECT_EQ(in_force(), "first");
  fill(files_.certificate_file, "nonsense");
  reload();
  EXPECT_EQ(in_force(), "first");
  EXPECT_TRUE(changes_.empty());

  write("mended");
  reload();
  EXPECT_EQ(changes_, std::vector<std::string>{"mended"});
}

TEST_F(TlsFilesTest, DestructionDuringAReadingIsSafe) {
  ASSERT_TRUE(load());
  write("second");
  tls_->reload();
  tls_.reset();
  settle();
  EXPECT_TRUE(changes_.empty());
}

}  // namespace
}  // namespace layby::app
