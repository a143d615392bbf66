// SPDX-License-Identifier: Apache-2.0
//
// The log of the process over spdlog: "2026-03-01T12:00:00.000Z info text". Times are in UTC (ISO
// 8601), since few edge boxes have their time zone set. The log has no colours, since journald or
// `docker logs` reads it. The sinks lock a mutex, so any thread may log. The queue of
// start_buffered() lives as long as the process, because any destructor may log.

#include "layby/base/log.h"

#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>

#include "base/log_queue.h"
#include "layby/base/encoding.h"
#include "layby/base/log_level.h"

namespace layby::log {
namespace {

spdlog::level::level_enum level_of(std::string_view name) {
  if (name == "debug") return spdlog::level::debug;
  if (name == "warn") return spdlog::level::warn;
  if (name == "error") return spdlog::level::err;
  return spdlog::level::info;
}

constexpr std::size_t kBufferBytes = 128 << 10;
constexpr std::chrono::milliseconds kLongestFlush{1'000};
constexpr std::chrono::milliseconds kLongestFlushInCrash{100};

std::atomic<LogQueue*> g_queue = nullptr;  // Set once.

class QueueSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit QueueSink(LogQueue& queue) : queue_(queue) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    queue_.push({line.data(), line.size()});
  }
  void flush_() override {}

  LogQueue& queue_;
};

void start_with(spdlog::sink_ptr sink, std::string_view level) {
  auto logger = std::make_shared<spdlog::logger>("layby", std::move(sink));
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
  logger->set_level(level_of(level));
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace

void start(std::string_view level) {
  start_with(std::make_shared<spdlog::sinks::stderr_sink_mt>(), level);
}

void start_buffered(std::string_view level) {
  if (g_queue == nullptr) g_queue = new LogQueue(STDERR_FILENO, kBufferBytes);
  start_with(std::make_shared<QueueSink>(*g_queue), level);
}

void set_level(std::string_view level) { spdlog::set_level(level_of(level)); }

void flush() {
  if (LogQueue* queue = g_queue) queue->flush(kLongestFlush);
}

void flush_in_crash() {
  if (const LogQueue* queue = g_queue) queue->flush_in_crash(kLongestFlushInCrash);
}

std::uint64_t dropped_lines() {
  const LogQueue* queue = g_queue;
  return queue != nullptr ? queue->dropped_lines() : 0;
}

std::string printable(std::string_view text) {
  constexpr std::size_t kLongest = 200;
  std::string out;
  for (const char c : text.substr(0, kLongest)) {
    if (c >= 0x20 && c <= 0x7e) {
      out += c;
    } else {
      out.append("\\x").append(to_hex({&c, 1}));
    }
  }
  if (text.size() > kLongest) out += "...";
  return out;
}

}  // namespace layby::log
