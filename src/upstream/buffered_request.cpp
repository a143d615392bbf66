// SPDX-License-Identifier: Apache-2.0
//
// Collects the answer. The Exchange limits the size of the body.

#include "upstream/buffered_request.h"

#include <cassert>
#include <utility>

namespace layby::upstream {

BufferedRequest::BufferedRequest(Site& site, RequestSpec spec,
                                 std::function<void(Result<Answer>)> done)
    : done_(std::move(done)), request_(site, std::move(spec), *this) {}

void BufferedRequest::on_head(const Head& head) {
  answer_.head = head;
  if (head.status != 206) return;
  request_.fail(ErrorCode::kCorrupt, "answered with a range that wasn't asked for");
}

void BufferedRequest::on_body(std::string_view bytes) { answer_.body.append(bytes); }

void BufferedRequest::on_end(Status status) {
  assert(done_);
  const auto done = std::move(done_);
  // done() may destroy this BufferedRequest.
  if (status.ok()) {
    done(std::move(answer_));
  } else {
    done(status.error());
  }
}

}  // namespace layby::upstream
