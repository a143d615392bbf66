// SPDX-License-Identifier: Apache-2.0
//
// A wire is one curl easy handle with the data that the handle points to. curl calls the wire,
// and the wire passes each call on to its owner. The owner may release the wire at any time, even
// inside a call from the wire (Driver::release). A released wire has no owner, tells curl to stop,
// and is destroyed after curl has returned.

#ifndef LAYBY_UPSTREAM_WIRE_H_
#define LAYBY_UPSTREAM_WIRE_H_

#include <array>
#include <string>
#include <string_view>

#include "upstream/curl_ptr.h"
#include "upstream/reach.h"

namespace layby::upstream {

enum class Verdict {
  kTaken,
  kPause,  // Not taken. curl offers the bytes again after Driver::unpause_soon.
  kStop,   // curl ends the transfer, and on_finished follows.
};

class WireOwner {
 public:
  virtual ~WireOwner() = default;
  // Whether the transfer may use a socket that leads to `peer`. Called before a new socket
  // connects, and before a request is sent on any socket, new or reused.
  virtual bool may_use(const SocketAddress& peer) = 0;
  // Takes one header line without the line end. An empty line ends a head.
  virtual Verdict on_header_line(std::string_view line) = 0;
  // Gets the raw bytes after a head, before curl decodes chunks and gzip. No other function gets
  // the bytes of a redirect's body, of chunk extensions or of trailers.
  virtual void on_raw(std::string_view bytes) = 0;
  virtual Verdict on_received(std::string_view bytes) = 0;
  // Says that the transfer is over. Never called inside curl.
  virtual void on_finished(CURLcode code) = 0;
};

struct Wire {
  explicit Wire(WireOwner& wire_owner);
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  template <typename T>
  void set(CURLoption option, T value) {
    // curl refuses an option only when memory is short or curl was built without the option.
    if (const CURLcode code = curl_easy_setopt(easy.get(), option, value); code != CURLE_OK) {
      setup_code = code;
    }
  }
  void set(CURLoption option, const std::string& value) { set(option, value.c_str()); }
  void add_header(ListPtr& list, const std::string& line);

  WireOwner* owner;
  ListPtr headers;        // Of each request after a redirect.
  ListPtr first_headers;  // Of the first request; null if `headers` serve the first request too.
  std::array<char, CURL_ERROR_SIZE> error_text{};
  EasyPtr easy;  // Declared last of the members that curl uses, so destroyed first.
  CURLcode setup_code = CURLE_OK;
  bool attached = false;  // Whether `easy` is in the multi handle.
  // The socket that curl last watched for this transfer. While a body comes, `socket` is the
  // socket of the transfer's connection.
  curl_socket_t socket = CURL_SOCKET_BAD;
};

}  // namespace layby::upstream

#endif  // LAYBY_UPSTREAM_WIRE_H_
