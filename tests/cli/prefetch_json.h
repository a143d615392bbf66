// SPDX-License-Identifier: Apache-2.0
//
// Answers to GET /prefetch for tests.

#ifndef LAYBY_TESTS_CLI_PREFETCH_JSON_H_
#define LAYBY_TESTS_CLI_PREFETCH_JSON_H_

#include <cstdint>
#include <string>

namespace layby::cli {

inline std::string image_json(const std::string& image, const std::string& state,
                              std::uint64_t done = 0, std::uint64_t total = 0,
                              const std::string& error = "") {
  return R"({"image": ")" + image + R"(", "state": ")" + state + R"(", "bytes_done": )" +
         std::to_string(done) + R"(, "bytes_total": )" + std::to_string(total) + R"(, "error": ")" +
         error + R"("})";
}

// The answer about run 7, with these members and images.
inline std::string prefetch_json(const std::string& members, const std::string& images) {
  return R"({"list": "/l.json", "run": 7, "faults": [], )" + members + R"(, "images": [)" + images +
         "]}";
}

// The answer during a run. `known` says that `total` covers all images.
inline std::string running_json(std::uint64_t done, std::uint64_t total, bool known,
                                const std::string& images) {
  return prefetch_json(R"("state": "running", "reason": "", "result": "", "pulls": 2, )"
                       R"("bytes_done": )" +
                           std::to_string(done) + R"(, "bytes_total": )" + std::to_string(total) +
                           R"(, "bytes_known": )" + (known ? "true" : "false"),
                       images);
}

// The answer after the run has ended.
inline std::string ended_json(const std::string& result, std::uint64_t done,
                              const std::string& images, const std::string& reason = "") {
  return prefetch_json(R"("state": "idle", "reason": ")" + reason + R"(", "result": ")" + result +
                           R"(", "pulls": 2, "bytes_known": true, "bytes_done": )" +
                           std::to_string(done) + R"(, "bytes_total": )" + std::to_string(done),
                       images);
}

}  // namespace layby::cli

#endif  // LAYBY_TESTS_CLI_PREFETCH_JSON_H_
