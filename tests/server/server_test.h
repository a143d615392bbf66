// SPDX-License-Identifier: Apache-2.0
//
// The fixture for tests of the HTTP server: a server on a real loop, a scripted handler and
// scripted blob readers, and clients on the same loop, so that one thread sees everything in
// order. turn_until() turns the loop until a condition holds.

#ifndef LAYBY_TESTS_SERVER_SERVER_TEST_H_
#define LAYBY_TESTS_SERVER_SERVER_TEST_H_

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "layby/base/clock.h"
#include "layby/base/fd.h"
#include "layby/event/loop.h"
#include "layby/event/workers.h"
#include "layby/server/http_server.h"

namespace layby::testing {

using std::chrono::milliseconds;

// Pseudo-random bytes, so that a shifted body differs from the right body.
inline std::string patterned(std::size_t size) {
  std::string bytes(size, '\0');
  std::uint32_t x = 1;
  for (char& c : bytes) c = static_cast<char>((x = x * 1664525u + 1013904223u) >> 24);
  return bytes;
}

// One answer from the server.
struct Answer {
  int status = 0;
  http::Headers headers;
  std::string body;
  std::string header(std::string_view name) const {
    return std::string(headers.get(name).value_or(""));
  }
};

// A client whose socket is on the server's loop. The client reads all bytes, except while
// read(false) stops it.
class Client final : private event::IoHandler {
 public:
  // "127.0.0.1:5000", or the path of a Unix socket. `receive_buffer_bytes` is SO_RCVBUF.
  Client(event::Loop& loop, const std::string& address, int receive_buffer_bytes = 0) {
    connect(address, receive_buffer_bytes);
    watch_ = loop.watch(fd_.get(), *this);
    watch_->want(true, false);
  }

  void send(std::string_view bytes) {
    unsent_.erase(0, std::exchange(sent_, 0));
    unsent_ += bytes;
    flush();
  }
  void get(const std::string& path, const std::string& more_headers = "") {
    send("GET " + path + " HTTP/1.1\r\nHost: a\r\n" + more_headers + "\r\n");
  }
  void read(bool on) {
    reading_ = on;
    if (watch_) watch_->want(reading_, unsent_bytes() > 0);
  }
  void close() {
    watch_.reset();
    fd_.reset();
  }

  // Ends the client's direction of the connection (half-close). The client still reads.
  void end_sending() {
    flush();
    EXPECT_EQ(unsent_bytes(), 0u);
    ::shutdown(fd_.get(), SHUT_WR);
  }

  const std::string& received() const { return received_; }
  bool ended() const { return ended_; }  // The server closed the connection, cleanly or not.
  bool was_reset() const { return reset_; }
  std::size_t unsent_bytes() const { return unsent_.size() - sent_; }
  int fd() const { return fd_.get(); }

  // Removes the next answer from the received bytes; nullopt while the answer isn't whole. An
  // answer to HEAD has no body.
  std::optional<Answer> take(bool to_head = false) {
    while (received_.starts_with(kInterim)) received_.erase(0, kInterim.size());
    std::size_t head_bytes = 0;
    auto answer = parse_head(head_bytes);
    if (!answer) return std::nullopt;
    const bool bodiless = to_head || answer->status == 304;
    const std::size_t length =
        bodiless ? 0 : std::strtoull(answer->header("Content-Length").c_str(), nullptr, 10);
    if (received_.size() < head_bytes + length) return std::nullopt;
    answer->body = received_.substr(head_bytes, length);
    received_.erase(0, head_bytes + length);
    return answer;
  }
  // The number of bytes received after the first head.
  std::size_t body_bytes() const {
    const auto end = received_.find("\r\n\r\n");
    return end == std::string::npos ? 0 : received_.size() - end - 4;
  }
  bool has_head() const { return received_.find("\r\n\r\n") != std::string::npos; }

  static constexpr std::string_view kInterim = "HTTP/1.1 100 Continue\r\n\r\n";

 private:
  void connect(const std::string& address, int receive_buffer_bytes) {
    const bool local = address.starts_with("/");
    const auto colon = address.rfind(':');
    sockaddr_in tcp{};
    tcp.sin_family = AF_INET;
    sockaddr_un unix_address{};
    unix_address.sun_family = AF_UNIX;
    if (local) {
      address.copy(unix_address.sun_path, sizeof unix_address.sun_path - 1);
    } else {
      ::inet_pton(AF_INET, address.substr(0, colon).c_str(), &tcp.sin_addr);
      tcp.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
    }
    const auto* any = local ? reinterpret_cast<const sockaddr*>(&unix_address)
                            : reinterpret_cast<const sockaddr*>(&tcp);
    fd_.reset(::socket(any->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (receive_buffer_bytes > 0) {
      ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes,
                   sizeof receive_buffer_bytes);
    }
    const int failed = ::connect(fd_.get(), any, local ? sizeof unix_address : sizeof tcp);
    EXPECT_TRUE(failed == 0 || errno == EINPROGRESS) << "connect to " << address;
  }

  void on_io(bool readable, bool writable) override {
    if (writable) flush();
    if (readable && reading_) receive();
  }

  void flush() {
    while (unsent_bytes() > 0 && fd_) {
      const ssize_t n = ::send(fd_.get(), unsent_.data() + sent_, unsent_bytes(), MSG_NOSIGNAL);
      if (n < 0) {
        if (errno != EAGAIN && errno != ENOTCONN && errno != EINPROGRESS) sent_ = unsent_.size();
        break;
      }
      sent_ += static_cast<std::size_t>(n);
    }
    if (watch_) watch_->want(reading_, unsent_bytes() > 0);
  }

  void receive() {
    std::array<char, 64 << 10> buffer;
    const ssize_t n = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (n > 0) received_.append(buffer.data(), static_cast<std::size_t>(n));
    if (n > 0 || (n < 0 && errno == EAGAIN)) return;
    ended_ = true;
    reset_ = n < 0;
    watch_->want(false, false);
    sent_ = unsent_.size();
  }

  std::optional<Answer> parse_head(std::size_t& head_bytes) const {
    const auto end = received_.find("\r\n\r\n");
    if (end == std::string::npos) return std::nullopt;
    head_bytes = end + 4;
    Answer answer;
    std::string_view rest = std::string_view(received_).substr(0, end + 2);
    answer.status = std::atoi(received_.substr(received_.find(' ') + 1, 3).c_str());
    rest.remove_prefix(rest.find("\r\n") + 2);
    while (!rest.empty()) {
      const std::string_view line = rest.substr(0, rest.find("\r\n"));
      rest.remove_prefix(line.size() + 2);
      const auto colon = line.find(':');
      answer.headers.add(line.substr(0, colon), http::trim(line.substr(colon + 1)));
    }
    return answer;
  }

  UniqueFd fd_;
  std::unique_ptr<event::IoWatch> watch_;
  std::string unsent_;
  std::size_t sent_ = 0;  // How many bytes of unsent_ have been sent.
  std::string received_;
  bool reading_ = true;
  bool ended_ = false;
  bool reset_ = false;
};

// A blob that grows or fails when the test says so. Its readers share the blob's state.
class GrowingBlob {
 public:
  // What a reader does inside listen().
  enum class InListen { kNothing, kTells, kFails };

  explicit GrowingBlob(std::string bytes, std::uint64_t readable_bytes) {
    state_->bytes = std::move(bytes);
    state_->readable_bytes = readable_bytes;
    EXPECT_TRUE(write_at(state_->fd.get(), state_->bytes, 0).ok());
  }
  explicit GrowingBlob(const std::string& bytes) : GrowingBlob(bytes, bytes.size()) {}

  void in_listen(InListen what) { state_->in_listen = what; }
  server::Response response(std::optional<http::ByteRange> range = std::nullopt) {
    server::Response response;
    response.body = server::BlobBody{std::make_unique<Reader>(state_),
                                     range.value_or(http::ByteRange{0, bytes().size()})};
    return response;
  }

  // Several ranges in one body.
  server::Response multipart(const http::ByteRanges& ranges) {
    auto parts =
        std::make_unique<const http::MultipartRanges>(ranges, bytes().size(), "edge", "a/b");
    server::Response response;
    response.status = 206;
    const http::ByteRange span = parts->span();
    response.body = server::BlobBody{std::make_unique<Reader>(state_), span, std::move(parts)};
    return response;
  }
  // The body of multipart().
  std::string multipart_body(const http::ByteRanges& ranges) const {
    const http::MultipartRanges parts(ranges, bytes().size(), "edge", "a/b");
    std::string body;
    for (std::size_t i = 0; i < parts.count(); ++i) {
      body += parts.head(i) + bytes().substr(ranges[i].first, ranges[i].length);
    }
    return body + parts.end();
  }

  void grow_to(std::uint64_t readable_bytes) {
    state_->readable_bytes = readable_bytes;
    for (Reader* reader : std::vector<Reader*>(state_->readers)) reader->tell();
  }
  void fail() {
    for (Reader* reader : std::vector<Reader*>(state_->readers)) reader->fail();
  }
  // Cuts the file off without telling the server.
  void truncate_to(std::uint64_t bytes) {
    EXPECT_EQ(::ftruncate(state_->fd.get(), static_cast<off_t>(bytes)), 0);
  }
  std::size_t readers() const { return state_->readers.size(); }
  const std::string& bytes() const { return state_->bytes; }

 private:
  class Reader;
  struct State {
    std::string bytes;
    std::uint64_t readable_bytes = 0;
    InListen in_listen = InListen::kNothing;
    UniqueFd fd{::memfd_create("growing", MFD_CLOEXEC)};
    std::vector<Reader*> readers;
  };

  class Reader final : public cache::BlobReader {
   public:
    explicit Reader(std::shared_ptr<State> state) : state_(std::move(state)) {
      state_->readers.push_back(this);
    }
    ~Reader() override { std::erase(state_->readers, this); }
    cache::BlobPart part_at(std::uint64_t) const override { return {state_->fd.get(), UINT64_MAX}; }
    void consumed(std::uint64_t) override {}
    bool revoked() const override { return false; }
    std::uint64_t size_bytes() const override { return state_->bytes.size(); }
    std::uint64_t readable_bytes() const override { return state_->readable_bytes; }
    bool from_fill() const override { return true; }
    void listen(Listener* listener) override {
      listener_ = listener;
      if (state_->in_listen == InListen::kTells) return tell();
      if (state_->in_listen == InListen::kFails) return fail();
    }
    // tell() and fail() may destroy this reader.
    void tell() {
      if (listener_ != nullptr) listener_->on_readable();
    }
    void fail() {
      if (listener_ != nullptr) listener_->on_reader_failed({ErrorCode::kCorrupt, "test", {}});
    }

   private:
    const std::shared_ptr<State> state_;
    Listener* listener_ = nullptr;
  };

  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

inline server::Response text_response(std::string text, int status = 200) {
  server::Response response;
  response.status = status;
  response.body = std::make_shared<const std::string>(std::move(text));
  return response;
}

// Responds with the result of `answer`. Without an `answer`, the request waits for respond().
class ScriptedHandler final : public server::Handler {
 public:
  std::function<server::Response(const server::Request&)> answer;

  Handle handle(const server::Request& request, Respond respond) override {
    seen.push_back(request);
    if (answer) {
      respond(answer(request));
      return nullptr;
    }
    return std::make_unique<Waiting>(*this, std::move(respond));
  }

  std::size_t waiting() const { return waiting_.size(); }
  // Answers the oldest waiting request.
  void respond(server::Response response) {
    ASSERT_FALSE(waiting_.empty());
    // The connection may destroy the handle in this call.
    const auto respond = waiting_.front()->respond;
    waiting_.erase(waiting_.begin());
    respond(std::move(response));
  }

  std::vector<server::Request> seen;
  int dropped = 0;  // Handles destroyed before the answer.

 private:
  struct Waiting final : Operation {
    Waiting(ScriptedHandler& h, Respond r) : handler(h), respond(std::move(r)) {
      handler.waiting_.push_back(this);
    }
    ~Waiting() override {
      if (std::erase(handler.waiting_, this) > 0) ++handler.dropped;
    }
    ScriptedHandler& handler;
    const Respond respond;
  };
  std::vector<Waiting*> waiting_;
};

class ServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::signal(SIGPIPE, SIG_IGN);  // The daemon ignores SIGPIPE too.
    handler_.answer = [](const server::Request& request) {
      return text_response("you asked for " + request.path);
    };
  }
  // Destroys the connections before the blobs that they read.
  void TearDown() override { server_.reset(); }

  // Listens on a free port of loopback, with the test's limits_.
  void start() {
    make_server();
    const auto bound = server_->listen_tcp("127.0.0.1:0");
    ASSERT_TRUE(bound.ok()) << bound.error().message;
    address_ = *bound;
  }
  void make_server() {
    server_ = std::make_unique<server::HttpServer>(
        server::HttpServer::Context{*loop_, workers_, clock_, counters_}, limits_, handler_, gate_);
  }

  std::unique_ptr<Client> connect(int receive_buffer_bytes = 0) {
    return std::make_unique<Client>(*loop_, address_, receive_buffer_bytes);
  }

  void turn_for(milliseconds time) {
    const auto stop = loop_->after(time, [this] { loop_->stop(); });
    loop_->run();
  }
  bool turn_until(const std::function<bool()>& holds,
                  milliseconds deadline = milliseconds(20'000)) {
    const auto end = std::chrono::steady_clock::now() + deadline;
    while (!holds()) {
      if (std::chrono::steady_clock::now() > end) return false;
      turn_for(milliseconds(1));
    }
    return true;
  }
  // The client's next answer; fails the test when none comes.
  Answer answer_of(Client& client, bool to_head = false) {
    std::optional<Answer> answer;
    const bool came = turn_until([&] {
      answer = client.take(to_head);
      return answer.has_value() || client.ended();
    });
    EXPECT_TRUE(came && answer) << "no whole answer, but \"" << client.received().substr(0, 300)
                                << "\"";
    return answer.value_or(Answer{});
  }
  // Waits until the server closes the connection; false if the connection stays open.
  bool ends(Client& client) {
    return turn_until([&] { return client.ended(); });
  }

  server::Limits limits_;
  Counters counters_;
  SystemClock clock_;
  std::unique_ptr<event::Loop> loop_ = *event::Loop::create();
  event::Workers workers_{2};
  ScriptedHandler handler_;
  server::Gate* gate_ = nullptr;  // Set it before start().
  std::unique_ptr<server::HttpServer> server_;
  std::string address_;
};

}  // namespace layby::testing

#endif  // LAYBY_TESTS_SERVER_SERVER_TEST_H_
