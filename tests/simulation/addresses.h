// SPDX-License-Identifier: Apache-2.0
//
// The addresses of the clients of a box.

#ifndef LAYBY_TESTS_SIMULATION_ADDRESSES_H_
#define LAYBY_TESTS_SIMULATION_ADDRESSES_H_

#include <cstddef>
#include <cstdint>

#include "layby/base/ip_address.h"

namespace layby::simulation {

// ::ffff:10.`network`.`host`.1
inline IpAddress address_in(std::size_t network, std::size_t host) {
  IpAddress address;
  address.bytes[10] = address.bytes[11] = 0xff;
  address.bytes[12] = 10;
  address.bytes[13] = static_cast<std::uint8_t>(network);
  address.bytes[14] = static_cast<std::uint8_t>(host);
  address.bytes[15] = 1;
  return address;
}

inline IpAddress machine_address(std::size_t box, std::size_t machine) {
  return address_in(box, 10 + machine);
}
inline IpAddress hostile_address(std::size_t box) { return address_in(box, 2); }
// The address of a child box, as its parent sees it.
inline IpAddress box_address(std::size_t box) { return address_in(box, 1); }

}  // namespace layby::simulation

#endif  // LAYBY_TESTS_SIMULATION_ADDRESSES_H_
