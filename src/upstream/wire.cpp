// SPDX-License-Identifier: Apache-2.0
//
// The trampolines between curl and a wire's owner. A call to the owner may destroy the owner, so
// only the wire is used after the call.

#include "upstream/wire.h"

namespace layby::upstream {
namespace {

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
  // Only curl's debug callback sees the bytes that curl drops: chunk extensions, redirects' bodies.
  set(CURLOPT_DEBUGFUNCTION, &on_debug);
  set(CURLOPT_DEBUGDATA, static_cast<void*>(this));
  set(CURLOPT_VERBOSE, 1L);
}

void Wire::add_header(const std::string& line) {
  // curl_slist_append() returns a new head only for an empty list.
  curl_slist* longer = curl_slist_append(headers.get(), line.c_str());
  if (longer == nullptr) {
    setup_code = CURLE_OUT_OF_MEMORY;
  } else if (!headers) {
    headers.reset(longer);
  }
}

}  // namespace layby::upstream
