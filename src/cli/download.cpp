// SPDX-License-Identifier: Apache-2.0

#include "cli/download.h"

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <memory>

#include "cli/curl_ptr.h"

namespace layby::cli {
namespace {

// A slot of 64 MiB, and 1 MiB for the head of a firmware file.
constexpr std::uint64_t kMaxBytes = 65U << 20;
constexpr long kSilentSeconds = 60;  // The longest time without a byte.
constexpr long kConnectSeconds = 30;

struct Target {
  std::FILE* file;
  std::uint64_t room_bytes;
};

// Refuses a piece that is larger than the room that is left. A refusal ends the transfer.
std::size_t write_to_target(const char* data, std::size_t size, std::size_t count, void* into) {
  auto& target = *static_cast<Target*>(into);
  if (size * count > target.room_bytes) return 0;
  target.room_bytes -= size * count;
  return std::fwrite(data, 1, size * count, target.file);
}

}  // namespace

Status download(const std::string& url, const std::string& path) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "we"), std::fclose);
  if (!file) return errno_error(path, errno);
  const CurlPtr curl(curl_easy_init());
  if (!curl) return Error{ErrorCode::kIo, "libcurl can't be started"};
  std::array<char, CURL_ERROR_SIZE> why{};
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl.get(), CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl.get(), CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(curl.get(), CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_LOW_SPEED_TIME, kSilentSeconds);
  curl_easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, why.data());
  Target target{file.get(), kMaxBytes};
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &target);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, &write_to_target);
  const CURLcode code = curl_easy_perform(curl.get());
  if (code == CURLE_WRITE_ERROR) {
    if (std::ferror(file.get()) != 0) return errno_error(path, errno);
    return Error{ErrorCode::kInvalid, "the file is larger than a firmware file can be"};
  }
  if (code != CURLE_OK) {
    const std::string reason = why[0] != '\0' ? why.data() : curl_easy_strerror(code);
    return Error{ErrorCode::kUnavailable, reason};
  }
  if (std::fclose(file.release()) != 0) return errno_error(path, errno);
  return {};
}

}  // namespace layby::cli
