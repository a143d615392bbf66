// SPDX-License-Identifier: Apache-2.0
//
// An HTTP/1.1 server on a loopback port. The test writes the answers, which may be broken. A
// handler gets each request and writes any reply or raw bytes. Each connection has its own
// thread, so a handler may block; the destructor ends all threads. The server keeps the
// requests that it has seen.
//
//   TinyHttpServer server([](const SeenRequest& request, Peer& peer) {
//     peer.reply(200, {{"Content-Type", "text/plain"}}, "hello");
//   });

#ifndef LAYBY_TESTS_SUPPORT_TINY_HTTP_SERVER_H_
#define LAYBY_TESTS_SUPPORT_TINY_HTTP_SERVER_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "layby/http/headers.h"

namespace layby::testing {

struct SeenRequest {
  std::string method;
  std::string target;
  http::Headers headers;
  int connection = 0;  // Counted from 0.

  std::string header(std::string_view name) const {
    return std::string(headers.get(name).value_or(""));
  }
  bool is(std::string_view a_method, std::string_view a_target) const {
    return method == a_method && target == a_target;
  }
};

struct FreeSsl {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

// A handler waits at the gate until the test opens it.
class Gate {
 public:
  void open() {
    {
      const std::lock_guard lock(mutex_);
      open_ = true;
    }
    changed_.notify_all();
  }
  void close() {
    const std::lock_guard lock(mutex_);
    open_ = false;
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(20), [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

// The client's end of a connection, as a handler sees it.
class Peer {
 public:
  using Fields = std::vector<std::pair<std::string, std::string>>;

  Peer(int fd, SSL_CTX* tls) : fd_(fd) {
    if (tls == nullptr) return;
    ssl_.reset(SSL_new(tls));
    SSL_set_fd(ssl_.get(), fd);
    open_ = SSL_accept(ssl_.get()) == 1;
  }

  bool is_open() const { return open_; }
  void close() { open_ = false; }

  // Sends `bytes`; false when the client has closed the connection.
  bool raw(std::string_view bytes) {
    while (open_ && !bytes.empty()) {
      const long n = write_some(bytes);
      if (n <= 0) open_ = false;
      if (n > 0) bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return open_;
  }
  // Sends a whole answer with Content-Length. The body is left out in answers to HEAD.
  void reply(int status, const Fields& fields = {}, std::string_view body = "") {
    head(status, fields, body.size());
    if (!answering_head) raw(body);
  }
  // Sends only a head, which has the Content-Length `length`.
  void head(int status, const Fields& fields, std::size_t length) {
    Fields all = fields;
    all.emplace_back("Content-Length", std::to_string(length));
    bare_head(status, all);
  }
  void bare_head(int status, const Fields& fields) {
    std::string text = "HTTP/1.1 " + std::to_string(status) + " Said So\r\n";
    for (const auto& [name, value] : fields) text.append(name + ": " + value + "\r\n");
    raw(text + "\r\n");
  }
  // Waits until the client closes the connection or the server ends.
  void hang() {
    char byte = 0;
    while (read_some(&byte, 1) > 0) {
    }
    open_ = false;
  }

  long read_some(char* to, std::size_t size) {
    return ssl_ ? SSL_read(ssl_.get(), to, static_cast<int>(size)) : ::recv(fd_, to, size, 0);
  }
  int fd() const { return fd_; }

  bool answering_head = false;

 private:
  long write_some(std::string_view bytes) {
    if (ssl_) return SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
    return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }

  int fd_;
  std::unique_ptr<SSL, FreeSsl> ssl_;
  bool open_ = true;
};

class TinyHttpServer {
 public:
  using Handler = std::function<void(const SeenRequest&, Peer&)>;

  // Speaks TLS when `tls` isn't null. `tls` outlives the server.
  explicit TinyHttpServer(Handler handler, SSL_CTX* tls = nullptr)
      : handler_(std::move(handler)), tls_(tls), listener_(listen_on_loopback()) {
    std::signal(SIGPIPE, SIG_IGN);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  TinyHttpServer(const TinyHttpServer&) = delete;
  TinyHttpServer& operator=(const TinyHttpServer&) = delete;
  ~TinyHttpServer() {
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    {
      const std::lock_guard lock(mutex_);
      for (const int fd : fds_) ::shutdown(fd, SHUT_RDWR);
    }
    for (std::thread& connection : connections_) connection.join();
    for (const int fd : fds_) ::close(fd);
    ::close(listener_);
  }

  std::uint16_t port() const { return port_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  std::string url() const { return (tls_ != nullptr ? "https://" : "http://") + address(); }

  std::vector<SeenRequest> requests() const {
    const std::lock_guard lock(mutex_);
    return seen_;
  }
  // Requests whose target begins with `prefix`.
  std::vector<SeenRequest> requests(std::string_view prefix) const {
    std::vector<SeenRequest> found = requests();
    std::erase_if(found, [&](const SeenRequest& r) { return !r.target.starts_with(prefix); });
    return found;
  }
  std::size_t count(std::string_view prefix) const { return requests(prefix).size(); }
  // How many connections were accepted so far, and how many of them have ended.
  int accepted() const { return accepted_; }
  int ended() const { return ended_; }

 private:
  int listen_on_loopback() {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* any = reinterpret_cast<sockaddr*>(&address);
    if (fd < 0 || ::bind(fd, any, size) != 0 || ::listen(fd, 64) != 0 ||
        ::getsockname(fd, any, &size) != 0) {
      throw std::runtime_error("no listening socket on loopback");
    }
    port_ = ntohs(address.sin_port);
    return fd;
  }

  void accept_all() {
    while (true) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      const int one = 1;  // A reply in two writes must not wait for the client's delayed ACK.
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      const std::lock_guard lock(mutex_);
      fds_.push_back(fd);
      connections_.emplace_back([this, fd, number = accepted_++] { serve(fd, number); });
    }
  }

  void serve(int fd, int number) {
    {
      Peer peer(fd, tls_);
      std::string buffer;
      while (peer.is_open()) {
        SeenRequest request;
        request.connection = number;
        if (!read_request(peer, buffer, request)) break;
        {
          const std::lock_guard lock(mutex_);
          seen_.push_back(request);
        }
        peer.answering_head = request.method == "HEAD";
        handler_(request, peer);
      }
    }
    // The descriptor stays open until the server ends, so that no other connection gets its
    // number.
    ::shutdown(fd, SHUT_RDWR);
    ++ended_;
  }

  static bool read_request(Peer& peer, std::string& buffer, SeenRequest& request) {
    std::size_t end = 0;
    while ((end = buffer.find("\r\n\r\n")) == std::string::npos) {
      char piece[4096];
      const long n = peer.read_some(piece, sizeof piece);
      if (n <= 0) return false;
      buffer.append(piece, static_cast<std::size_t>(n));
    }
    std::string_view head = std::string_view(buffer).substr(0, end + 2);
    bool first = true;
    while (!head.empty()) {
      const std::string_view line = head.substr(0, head.find("\r\n"));
      head.remove_prefix(line.size() + 2);
      std::exchange(first, false) ? read_first_line(line, request) : read_field(line, request);
    }
    buffer.erase(0, end + 4);
    return true;
  }
  static void read_first_line(std::string_view line, SeenRequest& request) {
    const auto space = line.find(' ');
    request.method = line.substr(0, space);
    request.target = line.substr(space + 1, line.rfind(' ') - space - 1);
  }
  static void read_field(std::string_view line, SeenRequest& request) {
    const auto colon = line.find(':');
    request.headers.add(line.substr(0, colon), http::trim(line.substr(colon + 1)));
  }

  Handler handler_;
  SSL_CTX* tls_;
  std::uint16_t port_ = 0;
  int listener_;
  std::thread acceptor_;
  mutable std::mutex mutex_;
  std::vector<int> fds_;                  // Guarded by mutex_.
  std::vector<std::thread> connections_;  // Guarded by mutex_ until acceptor_ has ended.
  std::vector<SeenRequest> seen_;         // Guarded by mutex_.
  std::atomic<int> accepted_{0};
  std::atomic<int> ended_{0};
};

}  // namespace layby::testing

#endif  // LAYBY_TESTS_SUPPORT_TINY_HTTP_SERVER_H_
