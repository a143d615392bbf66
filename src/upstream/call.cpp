// SPDX-License-Identifier: Apache-2.0
//
// Collects; the limit on the body is the exchange's.

#include "upstream/call.h"

#include <utility>

namespace layby::upstream {

Call::Call(Site& site, RequestSpec spec, std::function<void(Result<Answer>)> done)
    : done_(std::move(done)), request_(site, std::move(spec), *this) {}

void Call::on_head(const Head& head) {
  answer_.head = head;
  if (head.status != 200) request_.fail(ErrorCode::kCorrupt, "answered a range that wasn't asked");
}

void Call::on_body(std::string_view bytes) { answer_.body.append(bytes); }

void Call::on_end(Status status) {
  const auto done = std::move(done_);
  if (status.ok()) {
    done(std::move(answer_));  // May destroy this call, as may the other.
  } else {
    done(status.error());
  }
}

}  // namespace layby::upstream
