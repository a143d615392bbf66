// SPDX-License-Identifier: Apache-2.0
//
// The addresses on which the server listens, and the certificate, as the configuration says. When
// an address changes, the new address is bound before the old address is closed, and open
// connections stay open. Lives on the loop thread.

#ifndef LAYBY_SRC_APP_LISTENERS_H_
#define LAYBY_SRC_APP_LISTENERS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "app/tls_files.h"
#include "layby/app/config.h"
#include "layby/base/result.h"
#include "layby/server/http_server.h"

namespace layby::app {

class Listeners {
 public:
  // `server` and everything in `context` outlive the Listeners. `on_port` gets the port of each TCP
  // address as soon as the address is bound.
  Listeners(server::HttpServer& server, const TlsFiles::Context& context,
            std::function<void(std::uint16_t)> on_port)
      : server_(server), context_(context), on_port_(std::move(on_port)) {}

  // Listens on the addresses of `config`. `identity` is the certificate of `config`, with the marks
  // of its files; null without HTTPS. Returns a fault for each address that can't be bound; an
  // earlier address then stays in force. Makes the folder of the Unix socket, so the call may wait
  // for the disk.
  std::vector<ConfigFault> listen(const Config& config, LoadedIdentity identity);

  // Reads the certificate again, even if its files look unchanged.
  void reload();

  // The bound address for plain HTTP.
  const std::string& address() const { return plain_.bound; }

 private:
  struct Place {
    std::string wanted;  // The configured address that is in force; empty for none.
    std::string bound;   // The bound address, with its port.
  };
  using Open = std::function<Result<std::string>(const std::string&)>;

  static void open_again(Place& place, const Open& open);
  // If `bound` is an address, passes its port to on_port_. Returns `bound`.
  Result<std::string> told(Result<std::string> bound) const;
  Status move(Place& place, const std::string& wanted, const Open& open);
  Status listen_tls(const Config& config, LoadedIdentity loaded);
  Result<std::string> open_socket(const std::string& path);

  server::HttpServer& server_;
  const TlsFiles::Context context_;
  const std::function<void(std::uint16_t)> on_port_;
  Place plain_;
  Place tls_;
  Place socket_;
  server::TlsIdentity::Files named_;  // The names of the files that files_ reads.
  std::unique_ptr<TlsFiles> files_;   // Null when HTTPS isn't served.
};

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_LISTENERS_H_
