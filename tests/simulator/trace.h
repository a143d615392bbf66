// SPDX-License-Identifier: Apache-2.0
//
// What the clients of a Docker site ask a cache for, in order. Objects are manifests,
// configs and layers, numbered from 0. A seed makes the same trace each time.

#ifndef LAYBY_TESTS_SIMULATOR_TRACE_H_
#define LAYBY_TESTS_SIMULATOR_TRACE_H_

#include <cstdint>
#include <string>
#include <vector>

namespace layby::simulator {

using Object = std::uint32_t;

struct Request {
  enum class Kind : std::uint8_t {
    kGet,    // A client asks for the object.
    kTouch,  // A client asked for a manifest that names the object, and may well have it.
  };
  Kind kind = Kind::kGet;
  Object object = 0;
};

struct Trace {
  std::string name;
  std::vector<std::uint64_t> sizes_bytes;  // Of each object.
  std::vector<Request> requests;

  // Of the objects that are asked for at least once.
  std::uint64_t unique_bytes() const;
  // For each request, the place of the next GET of its object; requests.size() when
  // there is none.
  std::vector<std::size_t> next_gets() const;
};

// How much of a trace is made: kShort is for tests that have seconds.
enum class Length { kShort, kFull };

// Of one trace: zipf, rebuilds, shared, fashion, classroom, scan.
Trace make_trace(const std::string& name, Length length, std::uint64_t seed);
std::vector<std::string> trace_names();

}  // namespace layby::simulator

#endif  // LAYBY_TESTS_SIMULATOR_TRACE_H_
