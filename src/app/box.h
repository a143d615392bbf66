// SPDX-License-Identifier: Apache-2.0
//
// What sets this box apart from other boxes.

#ifndef LAYBY_SRC_APP_BOX_H_
#define LAYBY_SRC_APP_BOX_H_

#include <cstdint>
#include <string>

namespace layby::app {

// A new id for requests to other boxes (http::make_box_id()). Random for each process: an id needs
// no file, and tells a registry nothing that outlives the process.
std::string new_box_id();

// A number that stays the same across restarts, from the machine's id and host name, so that the
// runs of a box keep their moment. Random when the machine has neither.
std::uint32_t box_seed();

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_BOX_H_
