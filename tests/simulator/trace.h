// SPDX-License-Identifier: Apache-2.0
//
// The requests of a Docker site's clients to a cache, in order. Objects are manifests,
// configs and layers, numbered from 0. The same seed makes the same trace.

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
    kTouch,  // A client asked for a manifest that names the object. The client may have the object.
  };
  Kind kind = Kind::kGet;
  Object object = 0;
};

struct Trace {
  std::string name;
  std::vector<std::uint64_t> sizes_bytes;  // By object.
  std::vector<Request> requests;

  // The bytes of all objects with at least one GET.
  std::uint64_t unique_bytes() const;
  // For each request, the position of the next GET of its object; requests.size() when no GET
  // follows.
  std::vector<std::size_t> next_gets() const;
};

// The length of a trace: kShort is for tests, which have only seconds.
enum class Length { kShort, kFull };

// `name` is one of trace_names(): zipf, rebuilds, shared, fashion, classroom, scan.
Trace make_trace(const std::string& name, Length length, std::uint64_t seed);
std::vector<std::string> trace_names();

}  // namespace layby::simulator

#endif  // LAYBY_TESTS_SIMULATOR_TRACE_H_
