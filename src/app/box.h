// SPDX-License-Identifier: Apache-2.0
//
// The id and the seed of this box, which distinguish the box from other boxes.

#ifndef LAYBY_SRC_APP_BOX_H_
#define LAYBY_SRC_APP_BOX_H_

#include <cstdint>
#include <string>

namespace layby::app {

// A new id for requests to other boxes (http::make_box_id()). The id is random for each process, so
// the id needs no file, and a registry can't recognize the box after a restart.
std::string new_box_id();

// A number that is computed from the machine's id and host name. The number stays the same across
// restarts, so that the prefetch runs of a box keep their time of day. If the machine has neither
// id nor host name, the number is random.
std::uint32_t box_seed();

}  // namespace layby::app

#endif  // LAYBY_SRC_APP_BOX_H_
