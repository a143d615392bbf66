// SPDX-License-Identifier: Apache-2.0
//
// A streamed body that gives the test's bytes when the test says so.

#ifndef LAYBY_TESTS_SERVER_SCRIPTED_STREAM_H_
#define LAYBY_TESTS_SERVER_SCRIPTED_STREAM_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "layby/server/http_server.h"

namespace layby::testing {

// The body of a chunked message; nullopt unless `text` is exactly one whole body.
inline std::optional<std::string> unchunked(std::string_view text) {
  std::string body;
  while (true) {
    const auto line_end = text.find("\r\n");
    if (line_end == std::string_view::npos) return std::nullopt;
    const std::size_t size = std::stoul(std::string(text.substr(0, line_end)), nullptr, 16);
    text.remove_prefix(line_end + 2);
    if (text.size() < size + 2 || text.substr(size, 2) != "\r\n") return std::nullopt;
    body += text.substr(0, size);
    text.remove_prefix(size + 2);
    if (size == 0) return text.empty() ? std::optional(body) : std::nullopt;
  }
}

// Makes sources that follow this script. Usually only one source exists at a time.
class ScriptedStream {
 public:
  explicit ScriptedStream(std::string bytes = "") : bytes_(std::move(bytes)) {}

  // Called inside each read(), before read() gives bytes.
  std::function<void()> in_read;
  // The most that one read() gives.
  std::size_t piece_bytes = SIZE_MAX;

  server::Response response(std::optional<std::uint64_t> length = std::nullopt) {
    server::Response response;
    response.body = server::StreamBody{std::make_unique<Source>(*this), length};
    return response;
  }

  void give(std::string_view bytes) {
    bytes_ += bytes;
    tell();
  }
  void end() {
    ended_ = true;
    tell();
  }
  void fail() {
    failed_ = true;
    tell();
  }
  void tell() const {
    if (listener_ != nullptr) listener_->on_more();
  }

  int sources() const { return sources_; }
  std::size_t given() const { return given_; }  // Bytes that read() has given.
  int reads() const { return reads_; }
  bool was_called_inside_itself() const { return was_called_inside_itself_; }

 private:
  class Source final : public server::BodySource {
   public:
    explicit Source(ScriptedStream& script) : script_(script) { ++script.sources_; }
    ~Source() override {
      script_.check();
      --script_.sources_;
      script_.listener_ = nullptr;
    }
    void listen(Listener& listener) override {
      script_.check();
      script_.listener_ = &listener;
    }
    server::BodyRead read(std::span<char> into) override {
      script_.check();
      const Inside inside(script_);
      return script_.read(into);
    }

   private:
    ScriptedStream& script_;
  };

 public:
  // Exists while the source is being called, or while the source tells its listener of bytes.
  class Inside {
   public:
    explicit Inside(ScriptedStream& script) : script_(script) { script_.inside_ = true; }
    ~Inside() { script_.inside_ = false; }

   private:
    ScriptedStream& script_;
  };

 private:
  void check() {
    if (inside_) was_called_inside_itself_ = true;
  }

  server::BodyRead read(std::span<char> into) {
    ++reads_;
    if (in_read) in_read();
    EXPECT_FALSE(into.empty());
    const std::size_t count = std::min({into.size(), bytes_.size() - given_, piece_bytes});
    if (count > 0) {
      bytes_.copy(into.data(), count, given_);
      given_ += count;
      return server::BodyBytes{count};
    }
    if (failed_) return Error{ErrorCode::kIo, "the test fails the source", {}};
    if (ended_) return server::BodyEnd{};
    return server::BodyWaits{};
  }

  std::string bytes_;
  std::size_t given_ = 0;
  bool ended_ = false;
  bool failed_ = false;
  bool inside_ = false;
  bool was_called_inside_itself_ = false;
  int reads_ = 0;
  int sources_ = 0;
  server::BodySource::Listener* listener_ = nullptr;
};

}  // namespace layby::testing

#endif  // LAYBY_TESTS_SERVER_SCRIPTED_STREAM_H_
