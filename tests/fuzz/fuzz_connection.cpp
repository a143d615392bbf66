// SPDX-License-Identifier: Apache-2.0
//
// A client's connection, from its first byte to its end. The first line of the input has options:
// 't' for a TCP socket instead of a Unix socket, 'g' for a TCP socket of a trusted proxy, which a
// Greeting reads first, 's' for small buffers of a Unix socket. A script follows (script.h): its
// bytes go to the server, and its operations are
//
//   t     the loop turns
//   r, R  the client reads at most 1 KiB, or 64 KiB
//   h     the client ends its direction when all its bytes are sent
//   c, x  the client closes its socket, or resets it; the script ends
//   a     the handler answers the request that waits
//   m     the body goes on
//   d     the server drains
//
// Each whole request gets one well-formed answer, in order, and nothing else comes. An answer may
// be missing only for a reason that is_excused() names. After the client has left, the connection
// closes within some turns, and has given back all that it had.

#include <algorithm>
#include <csignal>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "answers.h"
#include "client_end.h"
#include "layby/base/log.h"
#include "layby/event/loop.h"
#include "layby/event/workers.h"
#include "require.h"
#include "script.h"
#include "server/connection.h"
#include "server/greeting.h"
#include "server/proxy_header.h"
#include "shop.h"
#include "support/fake_clock.h"

namespace layby::fuzz {
namespace {

using namespace layby::server;

constexpr int kSmallBufferBytes = 8 << 10;
constexpr std::size_t kMostScriptBytes = 64 << 10;

event::Workers& workers() {
  static event::Workers some{1};
  return some;
}

Limits limits() {
  Limits limits;
  limits.header_bytes = 1024;
  limits.trusted_proxies = {"127.0.0.0/8"};
  return limits;
}

class Session {
 public:
  explicit Session(std::string_view options)
      : tcp_(has_option(options, 't') || has_option(options, 'g')),
        greets_(has_option(options, 'g')) {
    SocketPair pair = tcp_ ? tcp_pair() : unix_pair();
    // Small buffers of TCP make sendfile(2) wait for the kernel's timers.
    if (has_option(options, 's') && !tcp_) {
      set_int(pair.server.get(), SOL_SOCKET, SO_SNDBUF, kSmallBufferBytes);
      set_int(pair.client.get(), SOL_SOCKET, SO_RCVBUF, kSmallBufferBytes);
    }
    client_ = std::make_unique<ClientEnd>(std::move(pair.client));
    server_end_ = std::move(pair.server);
  }

  void play(std::string_view script) {
    bool first = true;
    while (!script.empty() && client_->is_open()) {
      const Step step = take_step(script);
      client_->write(step.bytes);
      if (std::exchange(first, false)) accept();
      carry_out(step.operation);
    }
    if (first) accept();
  }

  // Lets every answer finish, and checks the bytes that the client got.
  void check() {
    shop_.finish();
    const Debts debts = owed();
    AnswerCheck answers(debts.all);
    if (client_->is_open()) wait_for(answers);
    answers.run(client_->received(), client_->has_ended());
    require(!answers.has_interim() || client_->has_half_closed(),
            "only a client that ended its direction is asked whether it has gone");
    require(answers.is_paid() || is_excused(answers, debts), "every request gets its answer");
    require(shop_.requests() <= debts.all.size(), "no request is handled twice");
    leave();
  }

 private:
  void accept() {
    if (!greets_) return admit(std::move(server_end_), {});
    ClientInfo proxy;
    proxy.is_proxy = true;
    clients_.name(proxy, *parse_ip_address("127.0.0.1"));
    greeting_ = std::make_unique<Greeting>(
        *loop_, std::move(server_end_), limits_.request_timeout,
        [this, proxy](Greeting&, UniqueFd fd, const std::optional<IpAddress>& named) {
          ClientInfo client = proxy;
          if (named) clients_.name(client, *named);
          refused_ = !fd;
          if (fd) admit(std::move(fd), std::move(client));
        });
    greeting_->start();
  }

  void admit(UniqueFd fd, ClientInfo client) {
    auto place = clients_.place_for(client);
    require(place.has_value(), "one client has a place");
    connection_ = std::make_unique<Connection>(
        shared_, ClientSocket(std::move(fd), nullptr, counters_), std::move(client),
        std::move(*place), [this](Connection&) {
          require(!std::exchange(closed_, true), "a connection closes once");
        });
    connection_->start();
  }

  void carry_out(char operation) {
    switch (operation) {
      case 't':
        return turn(*loop_);
      case 'r':
      case 'R':
        client_->read(operation == 'r' ? 1 << 10 : 64 << 10);
        return;
      case 'h':
        return client_->end_sending();
      case 'a':
        return shop_.answer();
      case 'm':
        return shop_.more();
      case 'd':
        return drain();
      case 'c':
        return client_->close();
      case 'x':
        return client_->reset();
      case '~':
        return client_->write("~");
      default:
        return;
    }
  }

  void drain() {
    shared_.draining = true;
    if (connection_ && !closed_) connection_->drain();
  }

  bool is_over() const { return closed_ || refused_; }

  // What the server owes for the bytes that the client has sent or will send.
  Debts owed() {
    Patience patience;
    while (!is_over() && client_->is_open() && client_->has_unsent() && patience.is_left()) {
      step();
    }
    std::string_view bytes = client_->sent();
    if (!greets_) return debts_for(bytes, limits_.header_bytes);
    const ProxyHeaderResult header = parse_proxy_header(bytes);
    if (const auto* whole = std::get_if<ProxyHeader>(&header)) bytes.remove_prefix(whole->bytes);
    if (std::holds_alternative<ProxyHeaderUnfinished>(header) ||
        std::holds_alternative<BadProxyHeader>(header)) {
      return {};
    }
    return debts_for(bytes, limits_.header_bytes);
  }

  void step() {
    client_->flush();
    while (client_->read(64 << 10)) {
    }
    turn(*loop_);
  }

  // Reads until all answers have come, or the server has closed the connection.
  void wait_for(AnswerCheck& answers) {
    std::size_t seen_bytes = 0;
    Patience patience;
    while (!answers.is_paid() && !client_->has_ended() && patience.is_left()) {
      step();
      if (client_->received().size() == std::exchange(seen_bytes, client_->received().size())) {
        continue;
      }
      answers.run(client_->received(), false);
    }
    require(answers.is_paid() || client_->has_ended(), "the answers come within some turns");
    // Surplus bytes would come within a few turns.
    for (int i = 0; i < 3; ++i) step();
  }

  bool is_excused(const AnswerCheck& answers, const Debts& debts) const {
    if (!client_->is_open()) return true;  // The client left in mid-script.
    const Debt& next = answers.next();
    if (next.may_break()) return true;
    if (shared_.draining && !answers.is_cut()) return true;
    // A TCP socket that the server closes with unread bytes resets the connection.
    if (tcp_ && (debts.has_rest || shared_.draining)) return true;
    if (!client_->has_half_closed() || !next.order) return false;
    // An endless body never becomes whole, and a waiting client of HTTP/1.0 is dropped.
    const bool is_endless = next.order->is_stream() && !next.order->has_length();
    return is_endless || (next.http_minor == 0 && next.order->waits);
  }

  // The client leaves, and the connection gives back all that it had.
  void leave() {
    client_->close();
    for (Patience patience; !is_over() && patience.is_left();) turn(*loop_);
    require(is_over(), "the connection closes after the client has left");
    require(shop_.is_empty(), "a closed connection has no request and no body");
    require(clients_.clients() == 0 && long_blobs_ == 0, "a closed connection has no place");
  }

  const bool tcp_;
  const bool greets_;
  const Limits limits_ = limits();
  const testing::FakeClock clock_;
  Counters counters_;
  Shop shop_;
  const std::unique_ptr<event::Loop> loop_ = *event::Loop::create();
  const HttpServer::Context context_{*loop_, workers(), clock_, counters_};
  HeadWriter head_writer_{clock_};
  SpareTransaction spare_;
  ClientLimits clients_{limits_, clock_};
  int long_blobs_ = 0;
  policy::SendBudget send_budget_{policy::kMostSendBufferBytes};
  Connection::Context shared_{context_, limits_,  shop_,       nullptr,     head_writer_,
                              spare_,   clients_, long_blobs_, send_budget_};
  std::unique_ptr<ClientEnd> client_;
  UniqueFd server_end_;
  std::unique_ptr<Greeting> greeting_;
  std::unique_ptr<Connection> connection_;
  bool refused_ = false;  // The Greeting has closed the socket.
  bool closed_ = false;   // The Connection has closed the socket.
};

bool set_up() {
  std::signal(SIGPIPE, SIG_IGN);  // As the daemon does.
  log::start("error");
  return true;
}

void check(std::string_view input) {
  [[maybe_unused]] static const bool once = set_up();
  const std::string_view options = take_line(input);
  Session session(options);
  session.play(input.substr(0, kMostScriptBytes));
  session.check();
}

}  // namespace
}  // namespace layby::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  layby::fuzz::check(layby::fuzz::as_text(data, size));
  return 0;
}
