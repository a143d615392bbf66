// SPDX-License-Identifier: Apache-2.0
//
// A Gate sees each request before the handler: it names the user who sent the request, or
// refuses the request. Lives on the loop thread.

#ifndef LAYBY_SERVER_GATE_H_
#define LAYBY_SERVER_GATE_H_

#include <optional>

#include "layby/server/http_server.h"

namespace layby::server {

class Gate {
 public:
  virtual ~Gate() = default;
  // Judges each request with a valid head before the handler sees the request; requests over
  // the Unix socket are judged too. judge() may set request.client.user and
  // request.client.certificate, and must leave the rest of `request` unchanged. Returns nullopt
  // to let the request pass, or the answer that refuses the request. The refusal is counted and
  // sent like an answer of the handler, so the connection stays open. judge() must not wait for
  // a disk or a peer.
  virtual std::optional<Response> judge(Request& request) = 0;
};

}  // namespace layby::server

#endif  // LAYBY_SERVER_GATE_H_
