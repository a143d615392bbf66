// SPDX-License-Identifier: Apache-2.0
//
// The site's link to the world: so many bytes a second, shared by the transfers that go
// over it packet by packet, each in turn. A transfer that is paused lets the others have
// its turn. In simulated time.

#ifndef LAYBY_TESTS_SITE_DAY_LINK_H_
#define LAYBY_TESTS_SITE_DAY_LINK_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "layby/cache/async.h"
#include "layby/cache/upstream.h"

namespace layby::site_day {

class Link {
 public:
  // One blob on its way.
  struct Flow {
    cache::BlobSink* sink = nullptr;  // Null when nobody wants it any more.
    const std::string* bytes = nullptr;
    std::size_t sent = 0;
    bool paused = false;
  };

  // Of what the contents stand for.
  Link(cache::Timers& timers, double bytes_per_second)
      : timers_(timers), bytes_per_second_(bytes_per_second) {}

  void add(std::shared_ptr<Flow> flow);
  // A flow is no longer paused.
  void go_on();

  // Of what the contents stand for.
  std::uint64_t sent_bytes() const { return sent_bytes_; }

 private:
  void send_next();
  void on_sent(const std::shared_ptr<Flow>& flow, std::size_t bytes);
  std::chrono::milliseconds time_for(std::size_t bytes);

  cache::Timers& timers_;
  const double bytes_per_second_;
  std::vector<std::shared_ptr<Flow>> flows_;  // The next is the first.
  cache::Handle sending_;
  double owed_ms_ = 0;  // Timers know whole milliseconds only.
  std::uint64_t sent_bytes_ = 0;
};

}  // namespace layby::site_day

#endif  // LAYBY_TESTS_SITE_DAY_LINK_H_
