// SPDX-License-Identifier: Apache-2.0
//
// Stands before the handler: it says who sent a request, or refuses the request. Lives on
// the loop thread.

#ifndef LAYBY_SERVER_GATE_H_
#define LAYBY_SERVER_GATE_H_

#include <optional>

#include "layby/server/http_server.h"

namespace layby::server {

class Gate {
 public:
  virtual ~Gate() = default;
  // Judges each request whose head is whole, also a request over the Unix socket, before the
  // handler sees it. May set request.client.user and request.client.certificate; must leave
  // the rest of `request` as it is. Returns nullopt to let the request pass, else the answer
  // that refuses it. The refusal is counted and sent like any answer of the handler, so the
  // connection stays open. Must not wait for a disk or a peer.
  virtual std::optional<Response> judge(Request& request) = 0;
};

}  // namespace layby::server

#endif  // LAYBY_SERVER_GATE_H_
