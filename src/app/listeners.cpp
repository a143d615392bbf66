// SPDX-License-Identifier: Apache-2.0
//
// A new address can't be bound while an overlapping old address is bound ("0.0.0.0:5000" and
// "127.0.0.1:5000"). Then the old address is closed first, and bound again if the new address can't
// be bound.

#include "app/listeners.h"

#include <cassert>
#include <filesystem>
#include <utility>

#include "layby/base/fd.h"
#include "layby/base/log.h"
#include "layby/http/url.h"

namespace layby::app {
namespace {

// Whether both addresses have the same port. False for an empty address and for a path.
bool same_port(const std::string& one, const std::string& other) {
  const auto first = http::parse_host_port(one);
  const auto second = http::parse_host_port(other);
  return first.ok() && second.ok() && first->port == second->port;
}

}  // namespace

std::vector<ConfigFault> Listeners::listen(const Config& config, LoadedIdentity identity) {
  std::vector<ConfigFault> faults;
  const auto note = [&faults](const char* key, const Status& status) {
    if (!status) faults.push_back({key, status.error().message});
  };
  note("listen", move(plain_, config.listen, [this](const std::string& address) {
         return told(server_.listen_tcp(address));
       }));
  note("tls.listen", listen_tls(config, std::move(identity)));
  note("socket",
       move(socket_, config.socket, [this](const std::string& path) { return open_socket(path); }));
  return faults;
}

Result<std::string> Listeners::told(Result<std::string> bound) const {
  if (!bound.ok()) return bound;
  const auto address = http::parse_host_port(*bound);
  assert(address.ok());
  if (address.ok()) on_port_(address->port);
  return bound;
}

Status Listeners::move(Place& place, const std::string& wanted, const Open& open) {
  if (wanted == place.wanted) return {};
  if (wanted.empty()) {
    server_.stop_listening(std::exchange(place, {}).bound);
    return {};
  }
  auto bound = open(wanted);
  if (!bound.ok() && same_port(place.bound, wanted)) {
    server_.stop_listening(place.bound);
    bound = open(wanted);
    if (!bound.ok()) open_again(place, open);
  } else if (bound.ok() && !place.bound.empty()) {
    server_.stop_listening(place.bound);
  }
  if (!bound.ok()) return bound.error();
  place = {wanted, *std::move(bound)};
  return {};
}

void Listeners::open_again(Place& place, const Open& open) {
  const auto bound = open(place.bound);
  if (bound.ok()) return;
  log::error("layby doesn't listen on {}, where it listened before the configuration changed: {}",
             place.bound, bound.error().message);
  place = {};
}

Status Listeners::listen_tls(const Config& config, LoadedIdentity loaded) {
  if (loaded.identity == nullptr) {
    files_.reset();
    return move(tls_, "", nullptr);
  }
  const bool same_files = files_ != nullptr &&
                          named_.certificate_file == config.tls.certificate_file &&
                          named_.key_file == config.tls.key_file;
  const auto identity = same_files ? files_->identity() : loaded.identity;
  Status moved = move(tls_, config.tls.listen, [this, &identity](const std::string& address) {
    auto bound = told(server_.listen_tls(address, identity));
    if (bound.ok()) log::info("layby serves HTTPS on {}", *bound);
    return bound;
  });
  if (same_files || tls_.bound.empty()) return moved;
  server_.set_identity(identity);
  named_ = {config.tls.certificate_file, config.tls.key_file};
  files_ = std::make_unique<TlsFiles>(
      context_, named_, std::move(loaded),
      [this](TlsFiles::Identity changed) { server_.set_identity(std::move(changed)); });
  return moved;
}

Result<std::string> Listeners::open_socket(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path().string();
  if (Status status = make_directories(folder); !status.ok()) return status.error();
  if (Status status = server_.listen_unix(path); !status.ok()) return status.error();
  return path;
}

void Listeners::reload() {
  if (files_) files_->reload();
}

}  // namespace layby::app
