// SPDX-License-Identifier: Apache-2.0
//
// Runs a fuzz target on each file of the given folders, so that a corpus is an ordinary test
// in every build. A missing or empty folder fails, because a replay without files would pass
// without a test.

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

#include "require.h"

namespace {

void replay(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string input{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  // Printed before the run, so that the last line before a crash names the input.
  std::printf("%s\n", path.c_str());
  std::fflush(stdout);
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

std::size_t replay_all(const char* folder) {
  std::size_t replayed = 0;
  std::error_code failure;
  for (const auto& entry : std::filesystem::directory_iterator(folder, failure)) {
    if (!entry.is_regular_file()) continue;
    replay(entry.path());
    ++replayed;
  }
  return replayed;
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (replay_all(argv[i]) > 0) continue;
    std::fprintf(stderr, "%s: the folder has no inputs\n", argv[i]);
    return 1;
  }
  return argc > 1 ? 0 : 1;
}
