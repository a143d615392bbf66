// SPDX-License-Identifier: Apache-2.0
//
// A directory that is removed at the end of the test. LAYBY_TEST_TMPDIR names the parent
// directory (default /tmp).

#ifndef LAYBY_TESTS_SUPPORT_TEMP_DIR_H_
#define LAYBY_TESTS_SUPPORT_TEMP_DIR_H_

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace layby::testing {

class TempDir {
 public:
  TempDir() {
    const char* base = std::getenv("LAYBY_TEST_TMPDIR");
    path_ = std::string(base != nullptr ? base : "/tmp") + "/layby-test-XXXXXX";
    if (::mkdtemp(path_.data()) != nullptr) return;
    std::perror(path_.c_str());
    std::abort();
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace layby::testing

#endif  // LAYBY_TESTS_SUPPORT_TEMP_DIR_H_
