// SPDX-License-Identifier: Apache-2.0
//
// When the link calls a sink, the sink may end its flow or add other flows before it returns.

#include "site_day/link.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "site_day/images.h"

namespace layby::site_day {
namespace {

// A packet represents 250 KB, which take 200 ms at 10 Mbit/s.
constexpr std::size_t kPacketBytes = 250;

}  // namespace

void Link::add(std::shared_ptr<Flow> flow) {
  flows_.push_back(std::move(flow));
  go_on();
}

void Link::go_on() {
  if (!sending_) send_next();
}

void Link::send_next() {
  sending_.reset();
  std::erase_if(flows_, [](const auto& flow) { return flow->sink == nullptr; });
  const auto next =
      std::find_if(flows_.begin(), flows_.end(), [](const auto& flow) { return !flow->paused; });
  if (next == flows_.end()) return;
  const std::shared_ptr<Flow> flow = *next;
  flows_.erase(next);
  flows_.push_back(flow);
  const std::size_t bytes = std::min(kPacketBytes, flow->size() - flow->sent);
  sending_ = timers_.after(time_for(bytes), [this, flow, bytes] {
    on_sent(flow, bytes);
    send_next();
  });
}

std::chrono::milliseconds Link::time_for(std::size_t bytes) {
  owed_ms_ += static_cast<double>(bytes * kBytesPerByte) / bytes_per_second_ * 1000;
  const double whole = std::floor(owed_ms_);
  owed_ms_ -= whole;
  return std::chrono::milliseconds(static_cast<std::int64_t>(whole));
}

// Drops a packet if its flow was paused meanwhile; the packet is sent again later, as with a
// full TCP window.
void Link::on_sent(const std::shared_ptr<Flow>& flow, std::size_t bytes) {
  if (flow->sink == nullptr || flow->paused) return;
  const std::string_view packet = std::string_view(*flow->bytes).substr(flow->sent, bytes);
  flow->sent += bytes;
  sent_bytes_ += bytes * kBytesPerByte;
  flow->sink->on_blob_bytes(packet);
  if (flow->sink == nullptr || flow->sent < flow->size()) return;
  std::exchange(flow->sink, nullptr)->on_blob_end({});
}

}  // namespace layby::site_day
