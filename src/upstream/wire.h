// SPDX-License-Identifier: Apache-2.0
//
// One curl easy handle with what it points to. curl calls into it, and it passes on
// what comes to its owner. The owner may let go of it at any time, inside such a call
// too (Driver::release): the wire then has no owner, answers curl with "stop", and goes
// when curl is done with it.

#ifndef LAYBY_UPSTREAM_WIRE_H_
#define LAYBY_UPSTREAM_WIRE_H_

#include <array>
#include <string>
#include <string_view>

#include "upstream/curl_ptr.h"

namespace layby::upstream {

enum class Verdict {
  kTaken,
  kPause,  // Not taken: offer it again after Driver::unpause_soon.
  kStop,   // End the transfer; on_finished follows.
};

class WireOwner {
 public:
  virtual ~WireOwner() = default;
  // One header line without its line end; an empty one ends a block.
  virtual Verdict on_header_line(std::string_view line) = 0;
  virtual Verdict on_received(std::string_view bytes) = 0;
  // The transfer is over. Never inside a call of curl.
  virtual void on_finished(CURLcode code) = 0;
};

struct Wire {
  explicit Wire(WireOwner& wire_owner);
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  template <typename T>
  void set(CURLoption option, T value) {
    // Fails only out of memory or for an option that this curl wasn't built with.
    if (const CURLcode code = curl_easy_setopt(easy.get(), option, value); code != CURLE_OK) {
      setup_code = code;
    }
  }
  void set(CURLoption option, const std::string& value) { set(option, value.c_str()); }
  void add_header(const std::string& line);

  WireOwner* owner;
  ListPtr headers;
  std::array<char, CURL_ERROR_SIZE> error_text{};
  EasyPtr easy;  // Goes before what it points to.
  CURLcode setup_code = CURLE_OK;
  bool attached = false;  // To the multi handle.
  // The one that curl watches for it: while a body comes, that of its connection.
  curl_socket_t socket = CURL_SOCKET_BAD;
};

}  // namespace layby::upstream

#endif  // LAYBY_UPSTREAM_WIRE_H_
