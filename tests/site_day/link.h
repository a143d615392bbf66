// SPDX-License-Identifier: Apache-2.0
//
// The site's link to the internet, with a fixed rate. The transfers share the link packet by
// packet, in turns. A paused transfer is left out. Time is simulated.

#ifndef LAYBY_TESTS_SITE_DAY_LINK_H_
#define LAYBY_TESTS_SITE_DAY_LINK_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "layby/base/async.h"
#include "layby/cache/upstream.h"

namespace layby::site_day {

class Link {
 public:
  // One blob's transfer.
  struct Flow {
    cache::BlobSink* sink = nullptr;  // Null after the transfer was cancelled or has ended.
    const std::string* bytes = nullptr;
    std::size_t sent = 0;
    bool paused = false;
    std::size_t end = SIZE_MAX;  // The requested end. The body may end before.

    std::size_t size() const { return std::min(bytes->size(), end); }
  };

  // `bytes_per_second` is in real bytes, see kBytesPerByte.
  Link(Timers& timers, double bytes_per_second)
      : timers_(timers), bytes_per_second_(bytes_per_second) {}

  void add(std::shared_ptr<Flow> flow);
  // To be called after a flow was resumed.
  void go_on();

  // In real bytes, see kBytesPerByte.
  std::uint64_t sent_bytes() const { return sent_bytes_; }

 private:
  void send_next();
  void on_sent(const std::shared_ptr<Flow>& flow, std::size_t bytes);
  std::chrono::milliseconds time_for(std::size_t bytes);

  Timers& timers_;
  const double bytes_per_second_;
  std::vector<std::shared_ptr<Flow>> flows_;  // The first flow sends next.
  Handle sending_;
  double owed_ms_ = 0;  // The part of a millisecond that time_for() hasn't counted yet.
  std::uint64_t sent_bytes_ = 0;
};

}  // namespace layby::site_day

#endif  // LAYBY_TESTS_SITE_DAY_LINK_H_
