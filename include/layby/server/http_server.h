// SPDX-License-Identifier: Apache-2.0
//
// An HTTP/1.1 server (RFC 9112) for many clients on one loop. It sends small answers from
// memory, blobs by sendfile, also while a blob grows, and bodies that are made as they go. The
// Limits keep one client from hurting another. Lives on the loop thread.

#ifndef LAYBY_SERVER_HTTP_SERVER_H_
#define LAYBY_SERVER_HTTP_SERVER_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "layby/base/counters.h"
#include "layby/base/ip_address.h"
#include "layby/base/result.h"
#include "layby/cache/cache.h"
#include "layby/event/loop.h"
#include "layby/event/workers.h"
#include "layby/http/headers.h"
#include "layby/http/range.h"
#include "layby/server/body_source.h"
#include "layby/server/limits.h"
#include "layby/server/tls_identity.h"

namespace layby::server {

// Who sent a request.
struct ClientInfo {
  std::string address;      // "10.0.0.7"; "local" over the Unix socket.
  IpAddress ip;             // The same as a value; no address over the Unix socket.
  bool is_local = false;    // Came over the Unix socket.
  std::string certificate;  // Subject of a verified client certificate; empty for none.
  std::string user;         // The name that the client proved; empty for none.
};

struct Request {
  std::string method;  // "GET"
  std::string path;    // As the client sent it, without the query.
  std::string query;   // Without the '?'.
  http::Headers headers;
  int http_minor = 1;  // The 1 in "HTTP/1.1".
  bool keep_alive = false;
  bool has_body = false;  // The head announces a body; it is never read.
  ClientInfo client;
};

// Bytes [range.first, range.first + range.length) of the reader's blob.
struct BlobBody {
  std::unique_ptr<cache::BlobReader> reader;
  http::ByteRange range;
};

// A body that is made while it goes out. With a `length`, the source must give as many bytes;
// if it gives fewer or more, or fails, the answer ends short. Without a `length`, the body goes
// in chunks to an HTTP/1.1 client, and ends with the connection for an HTTP/1.0 client. The
// server first calls the source a turn after `respond`, and destroys it when the body is out
// or the client has gone, never inside a call of the source.
struct StreamBody {
  std::unique_ptr<BodySource> source;   // Not null.
  std::optional<std::uint64_t> length;  // Of the whole body, if known.
};

// The body of an answer to HEAD, and of a 304.
struct NoBody {
  std::optional<std::uint64_t> content_length;  // Of the answer to GET, if known.
};

struct Response {
  int status = 200;
  // The server adds Content-Length or Transfer-Encoding, Date, Server, Connection.
  http::Headers headers;
  std::variant<std::shared_ptr<const std::string>, BlobBody, NoBody, StreamBody> body;
};

class Handler {
 public:
  virtual ~Handler() = default;
  using Respond = std::function<void(Response)>;
  // Calls `respond` exactly once, inside this call or later. `request` is valid until then.
  // Returns null when `respond` was called inside this call. Else the server destroys the
  // handle when nobody wants the answer any more, and `respond` must not be called after.
  virtual Handle handle(const Request& request, Respond respond) = 0;
};

class Gate;

class HttpServer {
 public:
  // All of these outlive the server.
  struct Context {
    event::Loop& loop;
    event::Workers& workers;
    const Clock& clock;
    Counters& counters;
  };
  // `handler` and `gate` outlive the server. Without a gate every request passes.
  HttpServer(const Context& context, const Limits& limits, Handler& handler, Gate* gate = nullptr);
  ~HttpServer();

  // Listens on "0.0.0.0:5000", "[::]:5000" or ":5000" (IPv6 and IPv4). May be called for
  // several addresses. Returns the address that was bound, with its port.
  Result<std::string> listen_tcp(const std::string& address);
  // The same with TLS. All TLS addresses share one identity, which is not null.
  Result<std::string> listen_tls(const std::string& address,
                                 std::shared_ptr<const TlsIdentity> identity);
  // Replaces the identity for new connections; not null.
  void set_identity(std::shared_ptr<const TlsIdentity> identity);
  // Listens on a Unix socket with mode 0660. Replaces a stale socket at `path`.
  Status listen_unix(const std::string& path);

  std::uint64_t connections() const;

  // Stops listening, closes idle connections, and lets the others finish their answers.
  // Calls `drained` later, when no connection is left. Call it once.
  void drain(std::function<void()> drained);

  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace layby::server

#endif  // LAYBY_SERVER_HTTP_SERVER_H_
