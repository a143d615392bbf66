// SPDX-License-Identifier: Apache-2.0
//
// Initializes libcurl once for the process, then makes a multi handle that keeps idle
// connections for later transfers and runs one transfer at a time on each connection.

#include "layby/upstream/multi.h"

#include <utility>

#include "upstream/driver.h"

namespace layby::upstream {

Result<std::unique_ptr<Multi>> Multi::create(event::Loop& loop, MultiOptions options) {
  static const CURLcode global = curl_global_init(CURL_GLOBAL_DEFAULT);
  MultiPtr multi(global == CURLE_OK ? curl_multi_init() : nullptr);
  if (!multi) return Error{ErrorCode::kIo, "libcurl can't be set up; is memory short?"};
  curl_multi_setopt(multi.get(), CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_NOTHING));
  curl_multi_setopt(multi.get(), CURLMOPT_MAXCONNECTS, options.max_idle_connections);
  return std::unique_ptr<Multi>(
      new Multi(std::make_unique<Driver>(loop, std::move(multi), options.max_rate)));
}

Multi::Multi(std::unique_ptr<Driver> driver) : driver_(std::move(driver)) {}

Multi::~Multi() = default;

void Multi::set_max_rate(std::uint64_t bytes_per_second) {
  driver_->rate_limit().set_max_rate(bytes_per_second);
}

void Multi::add_own_port(std::uint16_t port) { driver_->add_own_port(port); }

}  // namespace layby::upstream
