// SPDX-License-Identifier: Apache-2.0
//
// Sets the options of curl for an Exchange: the request, the limits, and TLS.

#include "upstream/exchange.h"

namespace layby::upstream {
namespace {

constexpr long kReceiveBufferBytes = 256 << 10;
constexpr long kMaxRedirects = 5;
// In seconds; curl allows no shorter age.
constexpr long kFreshAge = 1;
// How long an idle connection may be used again, in seconds. Many servers close it earlier.
constexpr long kIdleAge = 300;
// On an idle connection the kernel sends a keepalive after kKeepaliveIdle, and then one each
// kKeepaliveInterval until an answer comes, in seconds. The keepalives also keep the connection in
// the tables of routers with NAT, and close a connection whose peer is gone.
constexpr long kKeepaliveIdle = 30;
constexpr long kKeepaliveInterval = 10;

}  // namespace

void Exchange::set_up(const Transport& transport) {
  Wire& wire = *wire_;
  wire.set(CURLOPT_URL, spec_.url);
  if (spec_.method == Method::kHead) wire.set(CURLOPT_NOBODY, 1L);
  for (const std::string& line : spec_.headers) wire.add_header(wire.headers, line);
  if (!spec_.first_headers.empty()) {
    for (const auto* lines : {&spec_.headers, &spec_.first_headers}) {
      for (const std::string& line : *lines) wire.add_header(wire.first_headers, line);
    }
  }
  // CURLHEADER_SEPARATE keeps Authorization out of the CONNECT request to a proxy.
  wire.set(CURLOPT_HTTPHEADER, (wire.first_headers ? wire.first_headers : wire.headers).get());
  wire.set(CURLOPT_HEADEROPT, static_cast<long>(CURLHEADER_SEPARATE));
  wire.set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  wire.set(CURLOPT_USERAGENT, transport.user_agent);
  if (spec_.gzip) wire.set(CURLOPT_ACCEPT_ENCODING, "gzip");
  wire.set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  wire.set(CURLOPT_FOLLOWLOCATION, 1L);
  wire.set(CURLOPT_MAXREDIRS, kMaxRedirects);
  wire.set(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  wire.set(CURLOPT_PROTOCOLS_STR, "http,https");
  wire.set(CURLOPT_REDIR_PROTOCOLS_STR, spec_.url.starts_with("https:") ? "https" : "http,https");
  if (!transport.proxy.empty()) wire.set(CURLOPT_PROXY, transport.proxy);
  wire.set(CURLOPT_MAXAGE_CONN, kIdleAge);
  if (spec_.fresh_connection) make_fresh();
  set_up_limits(transport);
  set_up_tls(transport);
}

// CURLOPT_FRESH_CONNECT doesn't apply to the target of a redirect. At the target, the request can't
// share the connection of a request that hangs, because an HTTP/1.1 connection carries one request
// at a time. CURLOPT_MAXAGE_CONN makes curl close connections that have been idle for longer than
// kFreshAge, and may be dead.
void Exchange::make_fresh() {
  wire_->set(CURLOPT_FRESH_CONNECT, 1L);
  wire_->set(CURLOPT_MAXAGE_CONN, kFreshAge);
}

void Exchange::set_up_limits(const Transport& transport) {
  Wire& wire = *wire_;
  wire.set(CURLOPT_NOSIGNAL, 1L);
  // Without CURLOPT_QUICK_EXIT, the loop would wait for the resolver's thread when a transfer is
  // cancelled during the lookup of its host name.
  wire.set(CURLOPT_QUICK_EXIT, 1L);
  wire.set(CURLOPT_TCP_KEEPALIVE, 1L);
  wire.set(CURLOPT_TCP_KEEPIDLE, kKeepaliveIdle);
  wire.set(CURLOPT_TCP_KEEPINTVL, kKeepaliveInterval);
  wire.set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(transport.connect_timeout.count()));
  // The rate limit counts bytes only after curl has read them from the link, so under a limit curl
  // keeps its small default buffer. The size of the buffer can't change during a transfer. So a
  // transfer that began without a limit may read one large buffer more than a later limit allows.
  const bool limited = share_ && driver_.rate_limit().limited();
  if (spec_.max_body_bytes == 0 && !limited) wire.set(CURLOPT_BUFFERSIZE, kReceiveBufferBytes);
}

void Exchange::set_up_tls(const Transport& transport) {
  Wire& wire = *wire_;
  wire.set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  // Without a share, each transfer would begin with a full handshake.
  wire.set(CURLOPT_SHARE, driver_.tls_sessions());
  // curl takes CA certificates from a file and from a directory. The operator's file replaces the
  // system's bundle file, so the directory is set, which has the certificates of the bundle too.
  // Without an operator's file no directory is set; curl then parses the bundle only once, and not
  // for every connection.
  if (!transport.ca_file.empty()) {
    wire.set(CURLOPT_CAINFO, transport.ca_file);
    wire.set(CURLOPT_CAPATH, "/etc/ssl/certs");
  } else if (curl_version_info(CURLVERSION_NOW)->cainfo != nullptr) {
    wire.set(CURLOPT_CAPATH, static_cast<char*>(nullptr));
  }
}

}  // namespace layby::upstream
