// SPDX-License-Identifier: Apache-2.0
//
// A Ping asks once whether a registry is reachable, by a GET of /v2/ without a token. An answer
// with any status below 500 is good, even a 401. The challenge of a 401 is remembered for the
// registry's repositories. Loop thread only.

#ifndef LAYBY_UPSTREAM_PING_H_
#define LAYBY_UPSTREAM_PING_H_

#include <cassert>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "layby/base/async.h"
#include "upstream/exchange.h"
#include "upstream/failure.h"
#include "upstream/site.h"

namespace layby::upstream {

class Ping final : public Operation, private ExchangeEvents {
 public:
  Ping(Site& site, std::chrono::milliseconds deadline, std::function<void(Status)> done)
      : site_(site),
        done_(std::move(done)),
        exchange_(site.driver, site.counters, site.transport, spec(site, deadline), *this) {
    count(site.counters.upstream_other_gets);
  }

 private:
  static ExchangeSpec spec(const Site& site, std::chrono::milliseconds deadline) {
    ExchangeSpec spec;
    spec.url = site.url("");
    spec.host_label = site.host;
    spec.request_label = "GET /v2/";
    if (std::string loop = site.loop_header(); !loop.empty()) spec.headers.push_back(loop);
    spec.max_body_bytes = 64 << 10;
    spec.deadline = deadline;
    return spec;
  }

  void on_head(const Head& head) override {
    if (!head.from_another_origin) {
      site_.note_boxes(head.headers);
      if (head.status == 401) site_.tokens.learn(head.headers.joined("www-authenticate"));
    }
    if (head.status < 500) return;
    refusal_ = status_failure({site_.host, "GET /v2/"}, head, site_.clock.wall_now());
  }
  void on_body(std::string_view) override {}
  void on_end(Status status) override {
    assert(done_);
    const auto done = std::move(done_);
    done(refusal_ ? Status(*refusal_) : std::move(status));  // May destroy this ping.
  }

  Site& site_;
  std::function<void(Status)> done_;
  std::optional<Error> refusal_;
  Exchange exchange_;
};

}  // namespace layby::upstream

#endif  // LAYBY_UPSTREAM_PING_H_
