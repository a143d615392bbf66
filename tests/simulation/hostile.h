// SPDX-License-Identifier: Apache-2.0
//
// A hostile client: one address that loads the box in ways that the protocol allows. No promise is
// checked for a hostile client.

#ifndef LAYBY_TESTS_SIMULATION_HOSTILE_H_
#define LAYBY_TESTS_SIMULATION_HOSTILE_H_

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "simulation/box.h"

namespace layby::simulation {

class Hostile {
 public:
  // The client attacks until it is destroyed. References outlive the client.
  Hostile(const Internet& internet, Box& box, Attack attack, simulator::Random& random);
  ~Hostile();

 private:
  class Reader;

  void strike();
  void strike_again();
  void open(const oci::Digest& digest, milliseconds leaves_after, std::size_t bytes_at_a_time);
  void ask_for_unknown();
  void ask_for_tags();

  const Internet& internet_;
  Box& box_;
  const Attack attack_;
  simulator::Random& random_;
  Handle timer_;
  std::list<Handle> asking_;
};

}  // namespace layby::simulation

#endif  // LAYBY_TESTS_SIMULATION_HOSTILE_H_
