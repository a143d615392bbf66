// SPDX-License-Identifier: Apache-2.0
//
// One curl easy handle with the data it points to. curl calls the wire, and the wire passes
// each call on to its owner. The owner may release the wire at any time, inside such a call
// too (Driver::release). The wire then has no owner, tells curl to stop, and is destroyed
// after curl has returned.

#ifndef LAYBY_UPSTREAM_WIRE_H_
#define LAYBY_UPSTREAM_WIRE_H_

#include <array>
#include <string>
#include <string_view>

#include "upstream/curl_ptr.h"

namespace layby::upstream {

enum class Verdict {
  kTaken,
  kPause,  // Not taken: curl offers the bytes again after Driver::unpause_soon.
  kStop,   // End the transfer; on_finished follows.
};

class WireOwner {
 public:
  virtual ~WireOwner() = default;
  // One header line without its line end. An empty line ends a head.
  virtual Verdict on_header_line(std::string_view line) = 0;
  virtual Verdict on_received(std::string_view bytes) = 0;
  // The transfer is over. Never called inside curl.
  virtual void on_finished(CURLcode code) = 0;
};

struct Wire {
  explicit Wire(WireOwner& wire_owner);
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  template <typename T>
  void set(CURLoption option, T value) {
    // Fails only without memory or for an option that this curl wasn't built with.
    if (const CURLcode code = curl_easy_setopt(easy.get(), option, value); code != CURLE_OK) {
      setup_code = code;
    }
  }
  void set(CURLoption option, const std::string& value) { set(option, value.c_str()); }
  void add_header(const std::string& line);

  WireOwner* owner;
  ListPtr headers;
  std::array<char, CURL_ERROR_SIZE> error_text{};
  EasyPtr easy;  // Declared after the members it points to, so destroyed before them.
  CURLcode setup_code = CURLE_OK;
  bool attached = false;  // To the multi handle.
  // The socket that curl last watched for this transfer. While a body comes, it is the
  // connection's socket.
  curl_socket_t socket = CURL_SOCKET_BAD;
};

}  // namespace layby::upstream

#endif  // LAYBY_UPSTREAM_WIRE_H_
