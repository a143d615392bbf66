// SPDX-License-Identifier: Apache-2.0
//
// The handler of the target `connection`. A request's path says what to answer: it has a letter for
// the kind of body, and the size of the body, as in "/b4000". With the query "w" the answer waits
// until the script calls answer(). Bodies that come piece by piece go on when the script calls
// more(). After finish() no answer and no body waits. A shop has one connection, so at most one
// body goes out at a time.

#ifndef LAYBY_TESTS_FUZZ_SHOP_H_
#define LAYBY_TESTS_FUZZ_SHOP_H_

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "layby/base/fd.h"
#include "layby/base/number.h"
#include "layby/server/http_server.h"
#include "require.h"

namespace layby::fuzz {

// Every body is a part of these bytes.
inline const std::string& goods() {
  static const std::string bytes = [] {
    std::string made(100'000, '\0');
    std::uint32_t x = 1;
    for (char& c : made) c = static_cast<char>((x = x * 1664525u + 1013904223u) >> 24);
    return made;
  }();
  return bytes;
}

inline int goods_file() {
  static const UniqueFd file = [] {
    UniqueFd made(::memfd_create("goods", MFD_CLOEXEC));
    require(write_at(made.get(), goods(), 0).ok(), "a file in memory can be written");
    return made;
  }();
  return file.get();
}

// What a request orders.
struct Order {
  char kind = 'p';
  std::uint64_t size = 0;
  bool waits = false;

  // b: a blob. r: the second half of a blob. g: a blob that grows. f: a blob that fails while it
  // grows. l: a stream with a length. s: a stream without a length. x: a stream that fails.
  // y, z: a stream shorter or longer than its length. e: an error. n: 304. Everything else: a page.
  bool is_blob() const { return kind == 'b' || kind == 'r' || grows(); }
  bool grows() const { return kind == 'g' || kind == 'f'; }
  bool is_stream() const { return std::string_view("lsxyz").find(kind) != std::string_view::npos; }
  bool has_length() const { return kind != 's' && kind != 'x'; }
  // The server may cut the answer off. If the body has bytes, the server must cut the answer off.
  bool is_broken() const { return std::string_view("fxyz").find(kind) != std::string_view::npos; }
  int status() const { return kind == 'e' ? 404 : kind == 'n' ? 304 : kind == 'r' ? 206 : 200; }
  std::uint64_t first() const { return kind == 'r' ? size / 2 : 0; }
  // The body of the answer to a GET.
  std::string_view body() const {
    return std::string_view(goods()).substr(first(), size - first());
  }
};

inline Order order_of(const server::Request& request) {
  Order order;
  const std::string_view path = request.path;
  if (path.size() > 1) order.kind = path[1];
  const auto digits = path.size() > 2 ? parse_number(path.substr(2, 6)) : std::nullopt;
  order.size = digits.value_or(path.size()) % goods().size();
  order.waits = request.query == "w";
  return order;
}

class Shop final : public server::Handler {
 public:
  Handle handle(const server::Request& request, Respond respond) override {
    ++requests_;
    const Order order = order_of(request);
    if (order.waits && !finished_) {
      return std::make_unique<Waiting>(*this, order, std::move(respond));
    }
    respond(make(order));
    return nullptr;
  }

  void answer() {
    if (waiting_ == nullptr) return;
    // The connection may destroy the waiting request in this call.
    const Respond respond = waiting_->respond;
    const Order order = waiting_->order;
    waiting_ = nullptr;
    respond(make(order));
  }
  void more() {
    if (body_ != nullptr) body_->more();
  }
  void finish() {
    finished_ = true;
    answer();
    more();
  }

  std::size_t requests() const { return requests_; }
  bool is_empty() const { return waiting_ == nullptr && body_ == nullptr; }

 private:
  struct Waiting final : Operation {
    Waiting(Shop& s, const Order& o, Respond r) : shop(s), order(o), respond(std::move(r)) {
      shop.waiting_ = this;
    }
    ~Waiting() override {
      if (shop.waiting_ == this) shop.waiting_ = nullptr;
    }
    Shop& shop;
    const Order order;
    const Respond respond;
  };

  // A body that goes on when more() is called.
  class Body {
   public:
    Body(Shop& shop, const Order& order) : shop_(shop), order_(order) {
      require(std::exchange(shop_.body_, this) == nullptr, "one answer goes out at a time");
    }
    virtual ~Body() { shop_.body_ = nullptr; }
    virtual void more() = 0;  // May destroy the body.

   protected:
    Shop& shop_;
    const Order order_;
  };

  // A blob whose size is odd calls its listener inside listen().
  class Blob final : public cache::BlobReader, private Body {
   public:
    Blob(Shop& shop, const Order& order)
        : Body(shop, order), readable_bytes_(order.grows() ? order.size / 2 : order.size) {
      if (shop.finished_) grow();
    }
    cache::BlobPart part_at(std::uint64_t) const override { return {goods_file(), UINT64_MAX}; }
    void consumed(std::uint64_t offset) override {
      require(offset >= consumed_bytes_ && offset <= readable_bytes_, "offsets only grow");
      consumed_bytes_ = offset;
    }
    bool revoked() const override { return revoked_; }
    std::uint64_t size_bytes() const override { return order_.size; }
    std::uint64_t readable_bytes() const override { return readable_bytes_; }
    bool from_fill() const override { return order_.grows(); }
    void listen(Listener* listener) override {
      listener_ = listener;
      if (order_.size % 2 == 1 || shop_.finished_) tell();
    }

   private:
    void more() override {
      grow();
      tell();
    }
    void grow() {
      if (order_.kind == 'g') readable_bytes_ = order_.size;
      revoked_ = order_.kind == 'f' && order_.size % 4 == 1;
      failed_ = order_.kind == 'f' && !revoked_;
    }
    void tell() {
      if (listener_ == nullptr) return;
      if (failed_) return listener_->on_reader_failed({ErrorCode::kCorrupt, "fuzz", {}});
      listener_->on_readable();
    }

    std::uint64_t readable_bytes_;
    std::uint64_t consumed_bytes_ = 0;
    bool revoked_ = false;
    bool failed_ = false;
    Listener* listener_ = nullptr;
  };

  // Gives two pieces, then waits for more(). The byte beyond the stated length is a piece of its
  // own. A stream whose size is odd calls its listener once inside read().
  class Source final : public server::BodySource, private Body {
   public:
    using Body::Body;
    void listen(Listener& listener) override { listener_ = &listener; }
    server::BodyRead read(std::span<char> into) override {
      require(!into.empty() && !over_, "a source is asked for bytes until its end");
      const std::uint64_t end = end_bytes();
      if (given_bytes_ == end) return finish();
      if (pieces_ == 0 && !shop_.finished_) return wait();
      if (pieces_ > 0) --pieces_;
      const std::uint64_t until = given_bytes_ < order_.size ? std::min(end, order_.size) : end;
      const std::size_t count = std::min<std::size_t>({into.size(), kPiece, until - given_bytes_});
      goods().copy(into.data(), count, given_bytes_);
      given_bytes_ += count;
      return server::BodyBytes{count};
    }

   private:
    static constexpr std::size_t kPiece = 3000;

    std::uint64_t end_bytes() const {
      if (order_.kind == 'z') return order_.size + 1;
      return order_.is_broken() ? order_.size / 2 : order_.size;
    }
    server::BodyRead finish() {
      over_ = true;
      if (order_.kind == 'x') return Error{ErrorCode::kIo, "fuzz", {}};
      return server::BodyEnd{};
    }
    server::BodyRead wait() {
      if (order_.size % 2 == 1 && !std::exchange(told_, true)) more();
      return server::BodyWaits{};
    }
    void more() override {
      pieces_ += 2;
      if (listener_ != nullptr) listener_->on_more();
    }

    int pieces_ = 2;
    std::uint64_t given_bytes_ = 0;
    bool told_ = false;
    bool over_ = false;
    Listener* listener_ = nullptr;
  };

  server::Response make(const Order& order) {
    server::Response response;
    response.status = order.status();
    response.headers.add("X-Request", std::to_string(requests_));
    if (order.is_blob()) {
      response.body = server::BlobBody{std::make_unique<Blob>(*this, order),
                                       {order.first(), order.size - order.first()}};
    } else if (order.is_stream()) {
      response.body =
          server::StreamBody{std::make_unique<Source>(*this, order),
                             order.has_length() ? std::optional(order.size) : std::nullopt};
    } else if (order.kind == 'n') {
      response.body = server::NoBody{order.size};
    } else {
      response.body = std::make_shared<const std::string>(order.body());
    }
    return response;
  }

  std::size_t requests_ = 0;
  bool finished_ = false;
  Waiting* waiting_ = nullptr;
  Body* body_ = nullptr;
};

}  // namespace layby::fuzz

#endif  // LAYBY_TESTS_FUZZ_SHOP_H_
