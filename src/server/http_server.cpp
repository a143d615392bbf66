// SPDX-License-Identifier: Apache-2.0
//
// The table of connections and the limits on their number. A connection above a limit gets the
// answer 503 and is closed at once, so that the client tries its next mirror.
//
// Invariants: every open connection is in `connections`. The socket of a trusted proxy is in
// `greetings` until its first bytes have come. A closed connection stays in `over` while its own
// code may still run.

#include "layby/server/http_server.h"

#include <sys/socket.h>

#include <array>
#include <cassert>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "layby/base/lifetime.h"
#include "server/client_limits.h"
#include "server/connection.h"
#include "server/greeting.h"
#include "server/listener.h"
#include "server/send_window.h"

namespace layby::server {
namespace {

// A closed connection is destroyed after kSweep, or when the next client connects.
constexpr std::chrono::milliseconds kSweep{100};

constexpr std::string_view kTooMany =
    "HTTP/1.1 503 Service Unavailable\r\nServer: layby\r\nRetry-After: 1\r\n"
    "X-Content-Type-Options: nosniff\r\nContent-Type: text/plain; charset=utf-8\r\n"
    "Content-Length: 28\r\nConnection: close\r\n\r\n"
    "layby: too many connections\n";

}  // namespace

struct HttpServer::State {
  const Context context;
  Limits limits;
  HeadWriter head_writer;
  SpareTransaction spare;
  ClientLimits clients;
  int long_blobs = 0;
  policy::SendBudget send_budget{largest_send_buffer(policy::kMostSendBufferBytes)};
  Connection::Context shared;
  std::vector<std::unique_ptr<Listener>> listeners;
  std::shared_ptr<const TlsIdentity> identity;
  std::unordered_map<const Connection*, std::unique_ptr<Connection>> connections;
  std::unordered_map<const Greeting*, std::unique_ptr<Greeting>> greetings;
  Graveyard greeted;
  std::vector<std::unique_ptr<Connection>> over;  // Closed connections that will be destroyed.
  Handle sweep;
  std::function<void()> drained;

  State(const Context& c, const Limits& l, Handler& handler, Gate* gate)
      : context(c),
        limits(l),
        head_writer(c.clock),
        clients(limits, c.clock),
        shared(share(handler, gate)),
        greeted(c.loop) {}

  Connection::Context share(Handler& handler, Gate* gate) {
    return {context, limits, handler, gate, head_writer, spare, clients, long_blobs, send_budget};
  }

  Listener::OnAccept on_accept() {
    return
        [this](UniqueFd fd, ClientInfo client) { accept(std::move(fd), std::move(client), false); };
  }

  Listener::OnAccept on_accept_tls() {
    return
        [this](UniqueFd fd, ClientInfo client) { accept(std::move(fd), std::move(client), true); };
  }

  std::size_t open() const { return connections.size() + greetings.size(); }

  void accept(UniqueFd fd, ClientInfo client, bool with_tls) {
    client.is_proxy = !client.is_local && clients.is_proxy(client.ip);
    // A client of the Unix socket gets in under any load.
    const bool full = open() >= static_cast<std::size_t>(limits.max_connections);
    if (full && !client.is_local) return refuse(fd, !with_tls);
    if (client.is_proxy) return greet(std::move(fd), std::move(client), with_tls);
    admit(std::move(fd), std::move(client), with_tls);
  }

  // Reads the first bytes of the proxy, which may name the proxy's client.
  void greet(UniqueFd fd, ClientInfo proxy, bool with_tls) {
    auto greeting = std::make_unique<Greeting>(
        context.loop, std::move(fd), limits.request_timeout,
        [this, proxy = std::move(proxy), with_tls](Greeting& done, UniqueFd socket,
                                                   const std::optional<IpAddress>& named) {
          ClientInfo client = proxy;
          if (named) clients.name(client, *named);
          on_greeted(done, std::move(socket), std::move(client), with_tls);
        });
    Greeting& started = *greeting;
    greetings.emplace(&started, std::move(greeting));
    started.start();
  }

  void on_greeted(Greeting& done, UniqueFd fd, ClientInfo client, bool with_tls) {
    const auto at = greetings.find(&done);
    assert(at != greetings.end());
    greeted.bury(std::move(at->second));
    greetings.erase(at);
    if (fd) admit(std::move(fd), std::move(client), with_tls);
  }

  void admit(UniqueFd fd, ClientInfo client, bool with_tls) {
    auto place = clients.place_for(client);
    if (!place) return refuse(fd, !with_tls);
    count(context.counters.connections_accepted);
    auto connection = std::make_unique<Connection>(
        shared, ClientSocket(std::move(fd), with_tls ? identity.get() : nullptr, context.counters),
        std::move(client), std::move(*place), [this](Connection& closed) { on_closed(closed); });
    Connection& started = *connection;
    connections.emplace(&started, std::move(connection));
    over.clear();  // A listener or a Greeting calls admit(), so no connection's code runs now.
    started.start();
  }

  // Closes a connection above a limit. `in_words` is false before a TLS handshake, because the
  // client couldn't read the answer.
  void refuse(const UniqueFd& fd, bool in_words) const {
    count(context.counters.connections_refused);
    if (!in_words) return;
    // If the socket can't take the answer, the client sees only the close.
    [[maybe_unused]] const ssize_t n =
        ::send(fd.get(), kTooMany.data(), kTooMany.size(), MSG_NOSIGNAL);
    ::shutdown(fd.get(), SHUT_WR);
    // An unread request would turn the close into a reset, which may take the answer from
    // the client.
    std::array<char, 16 << 10> unread;
    [[maybe_unused]] const ssize_t r = ::recv(fd.get(), unread.data(), unread.size(), 0);
  }

  void on_closed(Connection& closed) {
    const auto at = connections.find(&closed);
    assert(at != connections.end());
    over.push_back(std::move(at->second));
    connections.erase(at);
    if (!sweep || drained) sweep_after(drained ? std::chrono::milliseconds(0) : kSweep);
  }

  void sweep_after(std::chrono::milliseconds delay) {
    sweep = context.loop.after(delay, [this] { sweep_over(); });
  }

  void sweep_over() {
    sweep.reset();
    over.clear();
    if (connections.empty() && drained) std::exchange(drained, nullptr)();
  }
};

HttpServer::HttpServer(const Context& context, const Limits& limits, Handler& handler, Gate* gate)
    : state_(std::make_unique<State>(context, limits, handler, gate)) {}

HttpServer::~HttpServer() = default;

Result<std::string> HttpServer::listen_tcp(const std::string& address) {
  auto listener = Listener::tcp(state_->context.loop, address, state_->limits, state_->on_accept());
  if (!listener.ok()) return listener.error();
  state_->listeners.push_back(std::move(*listener));
  return state_->listeners.back()->address();
}

Result<std::string> HttpServer::listen_tls(const std::string& address,
                                           std::shared_ptr<const TlsIdentity> identity) {
  auto listener =
      Listener::tcp(state_->context.loop, address, state_->limits, state_->on_accept_tls());
  if (!listener.ok()) return listener.error();
  assert(identity != nullptr);
  state_->identity = std::move(identity);
  state_->listeners.push_back(std::move(*listener));
  return state_->listeners.back()->address();
}

void HttpServer::set_identity(std::shared_ptr<const TlsIdentity> identity) {
  assert(identity != nullptr);
  state_->identity = std::move(identity);
}

Status HttpServer::listen_unix(const std::string& path) {
  auto listener = Listener::unix_socket(state_->context.loop, path, state_->on_accept());
  if (!listener.ok()) return listener.error();
  state_->listeners.push_back(std::move(*listener));
  return {};
}

void HttpServer::stop_listening(const std::string& address) {
  std::erase_if(state_->listeners, [&address](const std::unique_ptr<Listener>& listener) {
    if (listener->address() != address) return false;
    listener->accept_waiting();
    return true;
  });
}

void HttpServer::set_limits(const Limits& limits) {
  state_->limits = limits;
  state_->clients.set_limits(limits);
  for (const auto& listener : state_->listeners) listener->set_limits(limits);
}

std::uint64_t HttpServer::connections() const { return state_->open(); }

void HttpServer::drain(std::function<void()> drained) {
  assert(drained && !state_->shared.draining);
  state_->listeners.clear();
  state_->greetings.clear();
  state_->shared.draining = true;
  state_->drained = std::move(drained);
  std::vector<Connection*> all;
  for (const auto& [key, connection] : state_->connections) all.push_back(connection.get());
  for (Connection* connection : all) connection->drain();
  state_->sweep_after(std::chrono::milliseconds(0));
}

}  // namespace layby::server
