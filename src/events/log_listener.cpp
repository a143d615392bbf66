// SPDX-License-Identifier: Apache-2.0

#include "layby/events/log_listener.h"

#include "layby/base/log.h"
#include "layby/events/record.h"

namespace layby::events {
namespace {

spdlog::level::level_enum level_of(Severity severity) {
  switch (severity) {
    case Severity::kDebug:
      return spdlog::level::debug;
    case Severity::kInfo:
      return spdlog::level::info;
    case Severity::kWarning:
      return spdlog::level::warn;
    case Severity::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

}  // namespace

void log_event(const Event& event) {
  const auto level = level_of(severity_of(event));
  if (!spdlog::should_log(level)) return;
  // The log adds the time of the line, so the record needs no time.
  spdlog::log(level, "{}", record_of(event, WallTime()).text);
}

}  // namespace layby::events
