// SPDX-License-Identifier: Apache-2.0
//
// An HTTP/1.1 server (RFC 9112) for many clients on one loop. The server sends small answers from
// memory, and blobs by sendfile, even while a blob grows. It also sends bodies that are made while
// they go out. The Limits keep one client from hurting another. Lives on the loop thread.

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
#include "layby/http/multipart_ranges.h"
#include "layby/http/range.h"
#include "layby/server/body_source.h"
#include "layby/server/limits.h"
#include "layby/server/tls_identity.h"

namespace layby::server {

// The sender of a request. If a trusted proxy passed the request on, the sender is the client that
// the proxy named.
struct ClientInfo {
  std::string address;      // "10.0.0.7"; "local" over the Unix socket.
  IpAddress ip;             // `address` as a value; no address over the Unix socket.
  bool is_local = false;    // The request came over the Unix socket.
  std::string certificate;  // Subject of a verified client certificate; empty for none.
  std::string user;         // The name that the client proved; empty for none.
  bool is_proxy = false;    // The sender is a trusted proxy that has named no client.
};

struct Request {
  std::string method;  // "GET"
  std::string path;    // The path as the client sent it, without the query.
  std::string query;   // Without the '?'.
  http::Headers headers;
  int http_minor = 1;  // The 1 in "HTTP/1.1".
  bool keep_alive = false;
  bool has_body = false;  // The head announces a body. The server never reads a body.
  ClientInfo client;
};

// Bytes [range.first, range.first + range.length) of the reader's blob. With `parts`, these ranges
// of the blob in a multipart body, and `range` is their span. The parts of a blob from a fill
// ascend.
struct BlobBody {
  std::unique_ptr<cache::BlobReader> reader;
  http::ByteRange range;
  std::unique_ptr<const http::MultipartRanges> parts = nullptr;

  std::uint64_t body_bytes() const { return parts ? parts->body_bytes() : range.length; }
};

// A body that is made while it goes out. With a `length`, the source must give exactly `length`
// bytes; if the source fails or gives another number, the answer is cut short. Without a `length`,
// an HTTP/1.1 client gets the body in chunks, and an HTTP/1.0 client gets a body that ends with the
// connection. The server's first call of the source comes one turn of the loop after `respond`. The
// server destroys the source when the body is out or the client has gone, never inside a call of
// the source.
struct StreamBody {
  std::unique_ptr<BodySource> source;   // Not null.
  std::optional<std::uint64_t> length;  // The length of the whole body, if known.
};

// The body of an answer to HEAD, and of a 304.
struct NoBody {
  std::optional<std::uint64_t> content_length;  // Content-Length of the answer to GET, if known.
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
  // Calls `respond` exactly once, inside handle() or later. `request` is valid until `respond` is
  // called. Returns null when `respond` was called inside handle(). Otherwise the server destroys
  // the handle when nobody wants the answer any more; `respond` must not be called after the
  // destruction.
  virtual Handle handle(const Request& request, Respond respond) = 0;
};

class Gate;

class HttpServer {
 public:
  // The referenced objects outlive the server.
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
  // Like listen_tcp(), with TLS. All TLS addresses share one identity. `identity` is not null.
  Result<std::string> listen_tls(const std::string& address,
                                 std::shared_ptr<const TlsIdentity> identity);
  // Replaces the identity for new connections. `identity` is not null.
  void set_identity(std::shared_ptr<const TlsIdentity> identity);
  // Listens on a Unix socket with mode 0660. Replaces a stale socket at `path`.
  Status listen_unix(const std::string& path);

  // Stops listening on `address`, a bound address or a path. First accepts the connections that
  // wait in the kernel's queue. Does nothing if the server doesn't listen on `address`.
  void stop_listening(const std::string& address);
  // Replaces the limits, also for open connections. Three changes apply only to new connections:
  // the numbers of connections, the socket buffers and the trusted proxies.
  void set_limits(const Limits& limits);

  std::uint64_t connections() const;

  // Stops listening, closes idle connections, and lets busy connections finish their answers.
  // Calls `drained` later, when no connection is left. drain() may be called once.
  void drain(std::function<void()> drained);

  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace layby::server

#endif  // LAYBY_SERVER_HTTP_SERVER_H_
