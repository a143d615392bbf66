// SPDX-License-Identifier: Apache-2.0
//
// Sends a streamed answer: its head, and the body that a BodySource makes, framed by
// Content-Length, in chunks (RFC 9112 section 7.1), or by the end of the connection. The sender
// asks the source for bytes only when all earlier bytes are out, so at most kBufferBytes wait in
// memory. Lives on the loop thread.

#ifndef LAYBY_SERVER_STREAM_SENDER_H_
#define LAYBY_SERVER_STREAM_SENDER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "layby/server/http_server.h"
#include "server/client_socket.h"
#include "server/send_outcome.h"

namespace layby::server {

enum class StreamState {
  kUnasked,  // The source does not know its listener yet.
  kReady,    // The source can be asked for bytes.
  kAsking,   // The source's read() runs.
  kWaiting,  // The source has said that it has no bytes yet.
  kEnded,    // The source has said that the body is whole.
  kFailed,   // The body can't be finished.
};

class StreamSender final : private BodySource::Listener {
 public:
  enum class Framing { kContentLength, kChunks, kUntilClose };
  // How a client of HTTP/1.`http_minor` learns where the body ends.
  static Framing framing_of(const StreamBody& body, int http_minor);

  static constexpr std::size_t kBufferBytes = 32 << 10;

  // The referenced objects outlive the sender.
  struct Context {
    ClientSocket& socket;
    const std::string& client_address;  // For the log.
  };

  // `head` outlives the sender. `on_more` is called when send() can go on after a wait for the
  // source, perhaps inside a function of the source. `on_more` must not call or destroy the
  // sender, and must arrange that send() runs in a later turn.
  StreamSender(const Context& context, std::string_view head, StreamBody body, Framing framing,
               std::function<void()> on_more);

  // Sends what can be sent now. send() must not be called inside a function of the source.
  SendOutcome send();

 private:
  // The buffer has room for a size line before the data, and for a tail after the data: the end of
  // the chunk, and the last chunk.
  static constexpr std::size_t kSizeLineBytes = 6;  // "ffff\r\n"
  static constexpr std::size_t kTailBytes = 7;      // "\r\n0\r\n\r\n"
  static constexpr std::size_t kDataBytes = kBufferBytes - kSizeLineBytes - kTailBytes;
  static_assert(kDataBytes <= 0xffff);

  void on_more() override;

  // Asks the source until the buffer is full or no more bytes come, then frames the bytes as out_.
  // Returns false when the body can't be finished.
  bool fill();
  void ask();
  void fail(const Error& error);
  // Whether the source has given all announced bytes, but has not yet said that the body is whole.
  // Until then the bytes stay in the buffer. If they went out and the source then gave one more
  // byte, the client would already have a wrong answer that looks whole.
  bool is_held() const;
  void frame();
  void take_off(std::size_t sent_bytes);
  SendOutcome outcome_without_bytes() const;
  void enter(StreamState state);

  const Context context_;
  const Framing framing_;
  const std::optional<std::uint64_t> length_;
  const std::function<void()> on_more_;
  StreamState state_ = StreamState::kUnasked;
  bool told_ = false;              // on_more() was called since the last read() began.
  std::string_view head_;          // The bytes of the head that aren't sent.
  std::string_view out_;           // The framed bytes that aren't sent; in buffer_.
  std::size_t data_bytes_ = 0;     // Bytes of the source that aren't framed; in buffer_.
  std::uint64_t given_bytes_ = 0;  // All bytes that the source has given.
  std::array<char, kBufferBytes> buffer_;
  // Declared last, so destroyed first: the source uses this listener.
  const std::unique_ptr<BodySource> source_;
};

}  // namespace layby::server

#endif  // LAYBY_SERVER_STREAM_SENDER_H_
