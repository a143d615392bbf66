// SPDX-License-Identifier: Apache-2.0
//
// The trampolines between curl and a wire's owner. A call to the owner may destroy the owner, so
// only the wire is used after the call.

#include "upstream/wire.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>

namespace layby::upstream {
namespace {

// The port of an AF_INET or AF_INET6 address.
std::uint16_t port_of(const sockaddr& address) {
  const bool v4 = address.sa_family == AF_INET;
  return ntohs(v4 ? reinterpret_cast<const sockaddr_in&>(address).sin_port
                  : reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
}

std::size_t on_header(char* data, std::size_t, std::size_t size, void* self) noexcept {
  auto* wire = static_cast<Wire*>(self);
  std::string_view line(data, size);
  while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
  if (wire->owner == nullptr || wire->owner->on_header_line(line) == Verdict::kStop) {
    return CURL_WRITEFUNC_ERROR;
  }
  return wire->owner != nullptr ? size : CURL_WRITEFUNC_ERROR;
}

std::size_t on_body(char* data, std::size_t, std::size_t size, void* self) noexcept {
  auto* wire = static_cast<Wire*>(self);
  if (wire->owner == nullptr) return CURL_WRITEFUNC_ERROR;
  const Verdict verdict = wire->owner->on_received({data, size});
  if (wire->owner == nullptr || verdict == Verdict::kStop) return CURL_WRITEFUNC_ERROR;
  return verdict == Verdict::kPause ? CURL_WRITEFUNC_PAUSE : size;
}

// Opens the socket that curl will connect to `to`. An address that isn't IP is a Unix socket. Only
// the operator can name a Unix socket, as the proxy.
curl_socket_t on_open(void* self, curlsocktype, curl_sockaddr* to) noexcept {
  auto* wire = static_cast<Wire*>(self);
  const auto address = ip_address_of(to->addr);
  if (wire->owner == nullptr) return CURL_SOCKET_BAD;
  if (address && !wire->owner->may_use({*address, port_of(to->addr)})) return CURL_SOCKET_BAD;
  return ::socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

int on_request(void* self, char* ip, char*, int port, int) noexcept {
  auto* wire = static_cast<Wire*>(self);
  const auto address = parse_ip_address(ip != nullptr ? ip : "");
  if (wire->owner == nullptr) return CURL_PREREQFUNC_ABORT;
  if (!address || wire->owner->may_use({*address, static_cast<std::uint16_t>(port)})) {
    return CURL_PREREQFUNC_OK;
  }
  return CURL_PREREQFUNC_ABORT;
}

int on_debug(CURL*, curl_infotype kind, char* data, std::size_t size, void* self) noexcept {
  auto* wire = static_cast<Wire*>(self);
  if (kind == CURLINFO_DATA_IN && wire->owner != nullptr) wire->owner->on_raw({data, size});
  return 0;
}

}  // namespace

Wire::Wire(WireOwner& wire_owner) : owner(&wire_owner), easy(curl_easy_init()) {
  if (!easy) {
    setup_code = CURLE_OUT_OF_MEMORY;
    return;
  }
  set(CURLOPT_PRIVATE, static_cast<void*>(this));
  set(CURLOPT_ERRORBUFFER, error_text.data());
  set(CURLOPT_HEADERFUNCTION, &on_header);
  set(CURLOPT_HEADERDATA, static_cast<void*>(this));
  set(CURLOPT_WRITEFUNCTION, &on_body);
  set(CURLOPT_WRITEDATA, static_cast<void*>(this));
  set(CURLOPT_OPENSOCKETFUNCTION, &on_open);
  set(CURLOPT_OPENSOCKETDATA, static_cast<void*>(this));
  set(CURLOPT_PREREQFUNCTION, &on_request);
  set(CURLOPT_PREREQDATA, static_cast<void*>(this));
  // Only curl's debug callback sees the bytes that curl drops: chunk extensions, redirects' bodies.
  set(CURLOPT_DEBUGFUNCTION, &on_debug);
  set(CURLOPT_DEBUGDATA, static_cast<void*>(this));
  set(CURLOPT_VERBOSE, 1L);
}

void Wire::add_header(ListPtr& list, const std::string& line) {
  // curl_slist_append() returns a new head only for an empty list.
  curl_slist* longer = curl_slist_append(list.get(), line.c_str());
  if (longer == nullptr) {
    setup_code = CURLE_OUT_OF_MEMORY;
  } else if (!list) {
    list.reset(longer);
  }
}

}  // namespace layby::upstream
