// SPDX-License-Identifier: Apache-2.0
//
// Decides to which addresses a registry may send our requests, by redirects and by the token
// servers that the registry names. A registry on the internet must not make Layby fetch from
// networks that only Layby can reach. The functions are pure.

#ifndef LAYBY_POLICY_ADDRESS_SCOPE_H_
#define LAYBY_POLICY_ADDRESS_SCOPE_H_

#include <string_view>

#include "layby/base/ip_address.h"

namespace layby::policy {

// The places from which an address can be reached (IANA special-purpose address registries, RFC
// 6890).
enum class AddressScope {
  kPublic,     // The internet.
  kPrivate,    // A site's own network: RFC 1918, RFC 6598, RFC 4193, and addresses for tests.
  kLinkLocal,  // One link, with the metadata services of clouds: 169.254.0.0/16, fe80::/10.
  kLoopback,   // This machine.
  kNoHost,     // Unspecified, multicast and broadcast addresses.
};

// The scope of `address`. An IPv6 address that carries an IPv4 address for a translator (RFC 6052,
// RFC 3056) has the scope of the IPv4 address.
AddressScope scope_of(const IpAddress& address);

// "a private address"
std::string_view to_string(AddressScope scope);

// Whether a registry at an address of scope `home` may send us to an address of scope `target`.
// Public addresses are always allowed. A registry at a private or loopback address may send us to
// private addresses. A registry at a loopback address may also send us to loopback addresses. With
// `allow_private`, every registry may send us to private and loopback addresses. Only a registry at
// a link-local address may send us to link-local addresses. An address of scope kNoHost is never
// allowed.
bool may_send_to(AddressScope home, AddressScope target, bool allow_private);

}  // namespace layby::policy

#endif  // LAYBY_POLICY_ADDRESS_SCOPE_H_
