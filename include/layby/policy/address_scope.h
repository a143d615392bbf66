// SPDX-License-Identifier: Apache-2.0
//
// Decides to which addresses a registry may send us: by redirects, and by the token servers that
// the registry names. A registry on the internet must not make Layby fetch from the networks that
// only Layby can reach. The functions are pure.

#ifndef LAYBY_POLICY_ADDRESS_SCOPE_H_
#define LAYBY_POLICY_ADDRESS_SCOPE_H_

#include <string_view>

#include "layby/base/ip_address.h"

namespace layby::policy {

// From where an address can be reached (the IANA special-purpose address registries, RFC 6890).
enum class AddressScope {
  kPublic,     // The internet.
  kPrivate,    // A site's own network: RFC 1918, RFC 6598, RFC 4193, and addresses for tests.
  kLinkLocal,  // One link, with the metadata services of clouds: 169.254.0.0/16, fe80::/10.
  kLoopback,   // This machine.
  kNoHost,     // Unspecified, multicast and broadcast addresses.
};

// The scope of `address`. An IPv6 address that carries an IPv4 address for a translator (RFC 6052,
// RFC 3056) has the scope of that IPv4 address.
AddressScope scope_of(const IpAddress& address);

// "a private address"
std::string_view to_string(AddressScope scope);

// Whether a registry at an address of scope `home` may send us to an address of scope `target`.
// A registry on a private network or on this machine is part of that site, and may send us to
// private addresses; a registry on this machine may also send us to this machine. With
// `allow_private` every registry may do both. Only a registry on the link may send us to link-local
// addresses. An address of scope kNoHost is never allowed.
bool may_send_to(AddressScope home, AddressScope target, bool allow_private);

}  // namespace layby::policy

#endif  // LAYBY_POLICY_ADDRESS_SCOPE_H_
