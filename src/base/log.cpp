// SPDX-License-Identifier: Apache-2.0
//
// The log of the process over spdlog: "2026-03-01T12:00:00.000Z info text". Times are in UTC (ISO
// 8601), since few edge boxes have their time zone set. The log has no colours, since journald or
// `docker logs` reads it. The sink locks a mutex, so any thread may log.

#include "layby/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>

#include <array>
#include <cstddef>
#include <memory>
#include <utility>

#include "layby/base/encoding.h"

namespace layby::log {
namespace {

spdlog::level::level_enum level_of(std::string_view name) {
  if (name == "debug") return spdlog::level::debug;
  if (name == "warn") return spdlog::level::warn;
  if (name == "error") return spdlog::level::err;
  return spdlog::level::info;
}

}  // namespace

void start(std::string_view level) {
  auto logger =
      std::make_shared<spdlog::logger>("layby", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
  logger->set_level(level_of(level));
  spdlog::set_default_logger(std::move(logger));
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
