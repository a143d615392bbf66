// SPDX-License-Identifier: Apache-2.0
//
// A BufferedRequest collects a whole answer in memory for one callback. Loop thread only.

#ifndef LAYBY_UPSTREAM_BUFFERED_REQUEST_H_
#define LAYBY_UPSTREAM_BUFFERED_REQUEST_H_

#include <functional>
#include <string>
#include <string_view>

#include "layby/base/async.h"
#include "layby/base/result.h"
#include "upstream/authorized_request.h"

namespace layby::upstream {

struct Answer {
  Head head;
  std::string body;
};

class BufferedRequest final : public Operation, private ExchangeEvents {
 public:
  BufferedRequest(Site& site, RequestSpec spec, std::function<void(Result<Answer>)> done);

 private:
  void on_head(const Head& head) override;
  void on_body(std::string_view bytes) override;
  void on_end(Status status) override;

  std::function<void(Result<Answer>)> done_;
  Answer answer_;
  AuthorizedRequest request_;
};

}  // namespace layby::upstream

#endif  // LAYBY_UPSTREAM_BUFFERED_REQUEST_H_
